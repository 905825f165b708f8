/** The param `exclude`: entries of exclusion.ts, and names of calendars, which are lists of such entries. */
import { isJsonArray, type JsonObject, type JsonValue } from "../json/json.ts";
import type { Place, PlacedProblem } from "../placed-problem.ts";
import { nearestName } from "../texts/nearest-name.ts";
import { decodeExclusion, type IsExcluded } from "./exclusion.ts";

/** Lists of entries by name, in the configuration of the timers' sensor; undefined if they are not known here. */
export type Calendars = JsonObject | undefined;

export function readExclusions(
  entries: readonly JsonValue[],
  calendars: Calendars,
  problems: PlacedProblem[],
): readonly IsExcluded[] {
  return entries.flatMap((entry, index) => {
    const place = ["exclude", index];
    const name = typeof entry === "string" ? /^calendar:\s*(.+)$/.exec(entry.trim())?.[1] : undefined;
    return name === undefined ? single(entry, place, problems) : ofCalendar(name, calendars, place, problems);
  });
}

function single(entry: JsonValue, place: Place, problems: PlacedProblem[], prefix = ""): IsExcluded[] {
  const decoded = decodeExclusion(entry);
  if (decoded.kind === "valid") return [decoded.value];
  problems.push({ place, reason: `${prefix}${decoded.problem}` });
  return [];
}

function ofCalendar(
  name: string,
  calendars: Calendars,
  place: Place,
  problems: PlacedProblem[],
): IsExcluded[] {
  if (calendars === undefined) return [];
  const entries = Object.hasOwn(calendars, name) ? calendars[name] : undefined;
  if (!isJsonArray(entries)) {
    const nearest = nearestName(name, Object.keys(calendars));
    const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    const reason =
      entries === undefined
        ? `names the calendar ${name}, which the sensor core.timers does not configure${hint}`
        : `names the calendar ${name}, which is not a list`;
    problems.push({ place, reason });
    return [];
  }
  return entries.flatMap((entry) =>
    single(entry, place, problems, `names the calendar ${name}, whose entry `),
  );
}

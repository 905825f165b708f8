/**
 * Cron expressions: five fields (minute, hour, day of month, month, day of week), or six with seconds in front.
 *
 * croner evaluates the fields on a clock without a zone; wall-clock.ts moves the result into the zone. An hour that
 * begins with `*`, or covers all 24, is a wildcard: the timer follows real time. Any other hour is a time of day.
 * docs/timers.md describes the dialect.
 */
import { Cron } from "croner";
import { messageOf } from "../../errors/caught.ts";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { nearestName } from "../texts/nearest-name.ts";
import { lastSlotMs, remembering, type NextTime } from "./schedule.ts";
import type { Repetition } from "./wall-clock.ts";

export interface CronSlots {
  /** On the wall clock. */
  readonly next: NextTime;
  readonly repetition: Repetition;
}

const nicknames: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** One evaluator for each distinct expression; it answers for every zone. */
const known = new Map<string, CronSlots>();
const knownMax = 20_000;

export function decodeCron(expression: string): Decoded<CronSlots> {
  const trimmed = expression.trim().replaceAll(/\s+/g, " ");
  const present = known.get(trimmed);
  if (present !== undefined) return valid(present);

  const decoded = decodeUnknown(trimmed);
  if (decoded.kind === "invalid") return decoded;
  if (known.size >= knownMax) known.clear();
  known.set(trimmed, decoded.value);
  return decoded;
}

function decodeUnknown(written: string): Decoded<CronSlots> {
  const expression = written.startsWith("@") ? nicknames[written.toLowerCase()] : written;
  if (expression === undefined) return invalid(unknownNickname(written));
  const fields = expression.split(" ");
  if (fields.length !== 5 && fields.length !== 6) return invalid(wrongCount(written, fields.length));

  const [seconds = "", minutes = "", hours = "", days = "", months = "", weekdays = ""] =
    fields.length === 6 ? fields : ["0", ...fields];
  const parts = {
    second: seconds,
    minute: minutes,
    hour: hours,
    "day of month": days,
    month: months,
    "day of week": weekdays,
  };
  const problem = fieldProblem(parts);
  if (problem !== undefined) return invalid(problem);

  let cron: Cron;
  try {
    cron = new Cron([seconds, minutes, hours, days, months, weekdays].join(" "), {
      paused: true,
      mode: "6-part",
      utcOffset: 0,
      // As cron does: if either day field begins with *, both must match; else one of them suffices.
      domAndDow: isStar(days) || isStar(weekdays),
    });
  } catch (error) {
    return invalid(`is not a cron expression: ${messageOf(error).replace(/^CronPattern: /, "")}`);
  }
  const next = remembering((afterMs) => {
    if (afterMs > lastSlotMs) return undefined;
    return cron.nextRun(new Date(afterMs))?.getTime();
  });
  return valid({ next, repetition: isWildHour(hours) ? "each" : "once" });
}

function isStar(field: string): boolean {
  return field.startsWith("*") || field.startsWith("?");
}

function isWildHour(hours: string): boolean {
  return isStar(hours) || /^0+-23(\/0*1)?$/.test(hours);
}

function unknownNickname(written: string): string {
  if (written.toLowerCase() === "@reboot") return "must not be @reboot: a timer has no start to run at";
  const nearest = nearestName(written, Object.keys(nicknames));
  return `is not a cron expression: ${written}; ${nearest === undefined ? `the names are ${Object.keys(nicknames).join(", ")}` : `did you mean ${nearest}?`}`;
}

function wrongCount(written: string, count: number): string {
  if (written === "") return "must not be empty";
  if (count === 7)
    return "must have five or six fields, not 7: a year is not supported, use start_at and end_at";
  return `must have five fields (minute hour day month weekday), or six with seconds in front, not ${count}: ${JSON.stringify(written)}`;
}

const ranges = {
  second: [0, 59],
  minute: [0, 59],
  hour: [0, 23],
  "day of month": [1, 31],
  month: [1, 12],
  "day of week": [0, 7],
} as const;

type FieldName = keyof typeof ranges;

const fieldNames: readonly FieldName[] = ["second", "minute", "hour", "day of month", "month", "day of week"];

/** Finds the common mistakes, so that their descriptions are in the words of the author. */
function fieldProblem(fields: Readonly<Record<FieldName, string>>): string | undefined {
  for (const name of fieldNames) {
    const field = fields[name];
    const problem = field
      .split(",")
      .map((part) => partProblem(name, field, part))
      .find((each) => each !== undefined);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function partProblem(name: FieldName, field: string, part: string): string | undefined {
  const [lowest, highest] = ranges[name];
  if (part === "") return `has an empty part in the ${name} ${field}`;
  const match = /^(\d+)(?:-(\d+))?(?:\/(\d+))?$/.exec(part);
  if (match === null) {
    const step = /^[*?]\/(\d+)$/.exec(part)?.[1];
    if (name === "day of month" && /^L-\d+/i.test(part))
      return `uses ${part}, which is not supported; L is the last day`;
    return step === undefined ? undefined : stepProblem(name, part, Number(step));
  }
  const [from, to, step] = match.slice(1).map((text) => (text === undefined ? undefined : Number(text)));
  const outside = [from, to].find((value) => value !== undefined && (value < lowest || value > highest));
  if (outside !== undefined) return `has the ${name} ${outside}, which is not from ${lowest} to ${highest}`;
  if (from !== undefined && to !== undefined && from > to)
    return `has the ${name} range ${part}, which runs backwards; write ${from}-${highest},${lowest}-${to}`;
  if (step === undefined) return undefined;
  if (to === undefined)
    return `has the ${name} ${part}, a step without a range; write ${from}-${highest}/${step}`;
  return stepProblem(name, part, step);
}

function stepProblem(name: FieldName, part: string, step: number): string | undefined {
  const [lowest, highest] = ranges[name];
  if (step === 0) return `has the ${name} ${part}; a step must be at least 1`;
  // Sunday is both 0 and 7.
  const count = name === "day of week" ? 7 : highest - lowest + 1;
  if (step > count) return `has the ${name} ${part}; a step must be at most ${count}`;
  return undefined;
}

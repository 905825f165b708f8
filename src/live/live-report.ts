/**
 * One agent's report to the others about one second of its work, small enough for a notification.
 *
 * PostgreSQL's notifications carry less than 8,000 bytes. So a report names the busiest sensors, triggers and rules, and as
 * many of the second's events as fit; its sums count everything.
 */
import { decodeJson } from "../model/json/json-text.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../model/json/json.ts";

export interface LiveEntry {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly triggerRef: string;
  readonly sensorRef: string | null;
  /** The beginning of the payload as text. */
  readonly excerpt: string;
}

export type Counts = ReadonlyMap<string, number>;

export interface LiveReport {
  /** The process that reports. */
  readonly instance: string;
  readonly events: number;
  readonly enforcements: number;
  readonly sensors: Counts;
  readonly triggers: Counts;
  readonly rules: Counts;
  readonly entries: readonly LiveEntry[];
  /** Refs of sensors whose state changed. */
  readonly changed: readonly string[];
  /** Events and enforcements of the seconds before, the oldest first, in sums of `historyStepSeconds`; only when it begins. */
  readonly history: readonly (readonly [number, number])[];
}

export const historyStepSeconds = 5;
const bytesMax = 7_900;
const refsMax = 40;

/** JSON text of a report, with as much as there is room for. */
export function encodeReport(report: LiveReport): string {
  for (let share = 1; share > 0.01; share /= 2) {
    const text = encoded(report, share);
    if (Buffer.byteLength(text) <= bytesMax) return text;
  }
  return encoded(report, 0);
}

function encoded(report: LiveReport, share: number): string {
  const { instance, events, enforcements, sensors, triggers, rules, entries, changed, history } = report;
  const part = <T>(all: readonly T[], max: number): readonly T[] => all.slice(0, Math.floor(max * share));
  return JSON.stringify({
    i: instance,
    e: events,
    n: enforcements,
    s: part(busiest(sensors), refsMax),
    t: part(busiest(triggers), refsMax),
    r: part(busiest(rules), refsMax),
    x: newest(entries, share).map(({ id, atMs, triggerRef, sensorRef, excerpt }) => [
      id,
      atMs,
      triggerRef,
      sensorRef,
      excerpt,
    ]),
    c: part(changed, refsMax),
    h: share > 0 ? history : [],
  });
}

/** Undefined for anything but a report, such as one of another version. */
export function decodeReport(text: string): LiveReport | undefined {
  const decoded = decodeJson(text);
  if (decoded.kind === "invalid" || !isJsonObject(decoded.value)) return undefined;
  const { i: instance, e: events, n: enforcements, s, t, r, x, c, h } = decoded.value;
  if (typeof instance !== "string" || typeof events !== "number" || typeof enforcements !== "number")
    return undefined;
  return {
    instance,
    events,
    enforcements,
    sensors: countsIn(s),
    triggers: countsIn(t),
    rules: countsIn(r),
    entries: rowsIn(x).flatMap(([id, atMs, triggerRef, sensorRef, excerpt]) =>
      typeof id === "string" &&
      typeof atMs === "number" &&
      typeof triggerRef === "string" &&
      (sensorRef === null || typeof sensorRef === "string") &&
      typeof excerpt === "string"
        ? [{ id, atMs, triggerRef, sensorRef, excerpt }]
        : [],
    ),
    changed: listIn(c).filter((ref) => typeof ref === "string"),
    history: rowsIn(h).flatMap(([one, other]) =>
      typeof one === "number" && typeof other === "number" ? [[one, other] as const] : [],
    ),
  };
}

function newest(entries: readonly LiveEntry[], share: number): readonly LiveEntry[] {
  return entries.slice(entries.length - Math.floor(entries.length * share));
}

export function addCount(counts: Map<string, number>, ref: string, count: number): void {
  counts.set(ref, (counts.get(ref) ?? 0) + count);
}

export function busiest(counts: Counts): (readonly [string, number])[] {
  return [...counts].toSorted(([, one], [, other]) => other - one);
}

function countsIn(value: JsonValue | undefined): Counts {
  const pairs = rowsIn(value).flatMap(([ref, count]) =>
    typeof ref === "string" && typeof count === "number" ? [[ref, count] as const] : [],
  );
  return new Map(pairs);
}

function rowsIn(value: JsonValue | undefined): readonly (readonly JsonValue[])[] {
  return listIn(value).filter(isJsonArray);
}

function listIn(value: JsonValue | undefined): readonly JsonValue[] {
  return value !== undefined && isJsonArray(value) ? value : [];
}

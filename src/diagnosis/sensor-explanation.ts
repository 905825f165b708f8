/** Why a sensor reports no events: its state as doctor judges it, its last event, and its rejected output. */
import type { Queryable } from "../database/database.ts";
import { readLikelyRef } from "../database/likely-ref.ts";
import { rowOf } from "../database/statement.ts";
import { readLastEventOfSensor } from "../database/statements/explained-events.ts";
import { readFencedEvents, type FencedEventCount } from "../database/statements/fenced-events.ts";
import type { Id } from "../model/identifiers.ts";
import { counted } from "../model/texts/counted.ts";
import { durationText } from "../model/texts/duration-text.ts";
import { meantText } from "../model/texts/meant-text.ts";
import { rejectedOutput, rejectedText, type RejectedOutput } from "./rejected-output.ts";
import { readSensorStatus, type SensorStatus } from "./sensor-status.ts";

/** What only the worker that runs it knows; undefined where another worker does. */
export interface LocalFacts {
  /** How long its output has not been read. */
  readonly stalledSeconds: number | undefined;
  /** How long it has had no way to hear of changes of its rules. */
  readonly deafSeconds: number | undefined;
}

export interface SensorExplanation {
  /** In one sentence. */
  readonly answer: string;
  /** Undefined: no sensor has that ref. */
  readonly state: "good" | "notice" | "wrong" | undefined;
  readonly notes: readonly string[];
  readonly lastEvent: LastEvent | null;
  /** Its events that were refused because it had passed to another worker; null: none. */
  readonly fenced: FencedEventCount | null;
  /** Its output that became no event, by the reason, in its log; the newest first. */
  readonly rejected: readonly string[];
}

export interface LastEvent {
  readonly id: Id;
  readonly createdAt: Date;
  readonly secondsAgo: number;
}

export interface SensorFacts {
  readonly status: SensorStatus;
  readonly lastEvent: LastEvent | null;
  readonly fenced: FencedEventCount | null;
}

/** No sensor has that ref. */
export interface NoSensor {
  readonly status: undefined;
  /** The ref of a sensor that may have been meant. */
  readonly meant: string | undefined;
}

export async function readSensorFacts(rows: Queryable, ref: string): Promise<SensorFacts | NoSensor> {
  const status = await readSensorStatus(rows, ref);
  if (status === undefined) return { status, meant: await readLikelyRef(rows, "sensor", ref) };
  const { triggerRefs } = status.sensor;
  const lastEvent = await rowOf(rows, readLastEventOfSensor, { sensorRef: ref, triggerRefs });
  const fenced = await rowOf(rows, readFencedEvents, { sensorRef: ref });
  return { status, lastEvent: lastEvent ?? null, fenced: fenced ?? null };
}

const rejectedMax = 5;

export function explainSensor(
  ref: string,
  facts: SensorFacts | NoSensor,
  log: readonly string[],
  local: LocalFacts,
): SensorExplanation {
  if (facts.status === undefined)
    return {
      answer: `there is no sensor ${ref}${meantText(facts.meant)}`,
      state: undefined,
      notes: [],
      lastEvent: null,
      fenced: null,
      rejected: [],
    };
  const { status, lastEvent, fenced } = facts;
  const { finding, hold, sensor } = status;
  const rejected = rejectedOutput(log);
  const isWorking = finding.state === "good";
  const answer = isWorking ? workingText(facts, rejected, local) : `${ref} ${finding.detail}`;
  const notes = [
    ...(finding.remedy === null ? [] : [finding.remedy]),
    ...finding.lines,
    ...(isWorking || local.stalledSeconds === undefined ? [] : [stalledText(ref, local.stalledSeconds)]),
    ...(local.deafSeconds === undefined
      ? []
      : [`it has had no way to hear of changes of its rules for ${durationText(local.deafSeconds)}`]),
    ...(hold.claimedAt === null || sensor.workerName === null
      ? []
      : [
          `worker ${sensor.workerName} has owned it since ${hold.claimedAt.toISOString()}; events of earlier owners are refused since then`,
        ]),
    ...(fenced === null || (isWorking && isRecent(fenced)) ? [] : [fencedText(fenced)]),
  ];
  return {
    answer,
    state: finding.state,
    notes,
    lastEvent,
    fenced,
    rejected: rejected.slice(0, rejectedMax).map(rejectedText),
  };
}

const recentSeconds = 86_400;

/** Worth saying in the answer. */
function isRecent({ secondsAgo }: FencedEventCount): boolean {
  return secondsAgo <= recentSeconds;
}

function workingText(
  { status, lastEvent, fenced }: SensorFacts,
  [newest]: readonly RejectedOutput[],
  { stalledSeconds }: LocalFacts,
): string {
  const { sensor, finding } = status;
  if (stalledSeconds !== undefined) return stalledText(sensor.ref, stalledSeconds);
  const last = newest === undefined ? undefined : rejectedText(newest);
  const lost = fenced !== null && isRecent(fenced) ? `; ${fencedText(fenced)}` : "";
  const unstored = `${sensor.ref} ${finding.detail}, but`;
  if (lastEvent === null) {
    if (last !== undefined) return `${unstored} its output is rejected: ${last}${lost}`;
    return lost === ""
      ? `${unstored} none of its events is stored: it has reported none, or they are older than retention.events`
      : `${unstored} none of its events is stored${lost}`;
  }
  const age = `its last event is ${lastEvent.id}, stored ${durationText(lastEvent.secondsAgo)} ago`;
  return `${sensor.ref} ${finding.detail}; ${age}${last === undefined ? "" : `; output that was rejected: ${last}`}${lost}`;
}

/** Like `17 events were refused from … to …, because worker w1 had lost it to another`. */
function fencedText({ events, since, lastAt, workerName }: FencedEventCount): string {
  const when =
    events === 1 ? `at ${lastAt.toISOString()}` : `from ${since.toISOString()} to ${lastAt.toISOString()}`;
  const former = workerName === null ? "its former worker" : `worker ${workerName}`;
  return `${counted(events, "event")} ${events === 1 ? "was" : "were"} refused ${when}, because ${former} had lost it to another`;
}

function stalledText(ref: string, seconds: number): string {
  return `${ref} is held up: its output has not been read for ${durationText(seconds)}, because its events wait to be stored`;
}

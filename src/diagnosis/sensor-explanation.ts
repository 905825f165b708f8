/** Why a sensor reports no events: its state as doctor judges it, its last event, and its rejected output. */
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { readLastEventOfSensor } from "../database/statements/explained-events.ts";
import type { Id } from "../model/identifiers.ts";
import { durationText } from "../model/texts/duration-text.ts";
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
}

/** Undefined: no sensor has that ref. */
export async function readSensorFacts(rows: Queryable, ref: string): Promise<SensorFacts | undefined> {
  const status = await readSensorStatus(rows, ref);
  if (status === undefined) return undefined;
  const { triggerRefs } = status.sensor;
  const lastEvent = await rowOf(rows, readLastEventOfSensor, { sensorRef: ref, triggerRefs });
  return { status, lastEvent: lastEvent ?? null };
}

const rejectedMax = 5;

export function explainSensor(
  ref: string,
  facts: SensorFacts | undefined,
  log: readonly string[],
  local: LocalFacts,
): SensorExplanation {
  if (facts === undefined)
    return {
      answer: `there is no sensor ${ref}`,
      state: undefined,
      notes: [],
      lastEvent: null,
      rejected: [],
    };
  const { status, lastEvent } = facts;
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
  ];
  return {
    answer,
    state: finding.state,
    notes,
    lastEvent,
    rejected: rejected.slice(0, rejectedMax).map(rejectedText),
  };
}

function workingText(
  { status, lastEvent }: SensorFacts,
  [newest]: readonly RejectedOutput[],
  { stalledSeconds }: LocalFacts,
): string {
  const { sensor, finding } = status;
  if (stalledSeconds !== undefined) return stalledText(sensor.ref, stalledSeconds);
  const last = newest === undefined ? undefined : rejectedText(newest);
  if (lastEvent === null) {
    return last === undefined
      ? `${sensor.ref} ${finding.detail}, but none of its events is stored: it has reported none, or they are older than retention.events`
      : `${sensor.ref} ${finding.detail}, but its output is rejected: ${last}`;
  }
  const age = `its last event is ${lastEvent.id}, stored ${durationText(lastEvent.secondsAgo)} ago`;
  return `${sensor.ref} ${finding.detail}; ${age}${last === undefined ? "" : `; output that was rejected: ${last}`}`;
}

function stalledText(ref: string, seconds: number): string {
  return `${ref} is held up: its output has not been read for ${durationText(seconds)}, because its events wait to be stored`;
}

/**
 * A source of events, as a sensor appears to its supervisor (sensor-instance.ts). It turns something outside the agent,
 * such as a program's output, into events until something goes wrong, and returns how that run ended. The supervisor
 * decides whether and when it runs again.
 */
import type { JsonValue } from "../../model/json/json.ts";
import type { AcceptOutcome } from "../../model/sensors/incoming-event.ts";
import type { EndedRun } from "../../model/sensors/restart-policy.ts";
import type { Clock } from "../../time/clock.ts";
import type { DecodedEvent } from "../output/decoded-output.ts";
import type { SensorOutput } from "../output/sensor-output.ts";
import type { RunFacts } from "../report/sensor-notes.ts";

export interface Source {
  /** Earliest time of the next run on the monotonic clock, if there is such a limit. */
  nextRunMs(earliestMs: number): number;
  /** Runs until it fails or is asked to stop. Rejects only because of a bug in the agent. */
  run(context: SourceContext): Promise<EndedRun>;
  /** Its rules have changed, and it goes on with the same source. */
  noteRulesChanged(): void;
  /** For how long it has had no way to hear of rule changes, if it should have one; else undefined. */
  deafSeconds(): number | undefined;
  /** Ends whatever earlier runs may have left behind; called once, after the last. */
  close(): Promise<void>;
}

export interface BuiltinSubmission {
  readonly event: DecodedEvent;
  /** About as many as the event takes in memory. */
  readonly bytes: number;
  /** What the event is, quoted if it is refused. */
  readonly title: string;
  /** Called once with its outcome; with undefined if the pipeline stopped before that was known. */
  readonly onOutcome: (outcome: AcceptOutcome | undefined) => void;
}

export interface SourceContext {
  /** Submits events and checkpoints one after the other, and rejects everything else. */
  readonly output: Pick<SensorOutput, "take" | "flush">;
  /** Submits an event of a built-in source, which needs to know what becomes of each. */
  readonly submit: (submission: BuiltinSubmission) => Promise<boolean> | boolean;
  /**
   * The newest committed checkpoint, where to resume; read once everything submitted before is settled. A run asks for it
   * first. Undefined if there is none or the sensor should stop.
   */
  readonly checkpoint: () => Promise<JsonValue | undefined>;
  readonly clock: Clock;
  /** Aborts when the sensor should stop. */
  readonly stopping: AbortSignal;
  /** Aborts when the time for storing its last events is over. */
  readonly abandoned: AbortSignal;
  /** Reports that it is working. */
  readonly noteRunning: (facts: RunFacts) => void;
  /** It cannot get to work yet, for a reason that is no fault of the sensor; it is tried again after that time. */
  readonly noteObstacle: (reason: string, waitMs: number) => void;
  /** Reports facts about the run other than its end. */
  readonly noteFacts: (facts: RunFacts) => void;
  /** Reports output; called for all of it. */
  readonly noteOutput: () => void;
  /** Writes to the sensor's log; the last lines are quoted when the sensor fails. */
  readonly log: (lines: readonly string[]) => void;
  /** Warns the operator, once per text. */
  readonly warn: (warning: string) => void;
}

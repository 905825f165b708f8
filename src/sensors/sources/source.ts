/**
 * A source of events is what a sensor is to its supervisor (sensor-instance.ts). It turns something outside the agent,
 * such as what a program prints, into events until something goes wrong, and says how that run ended. Whether and when
 * it runs again is the supervisor's decision.
 */
import type { JsonValue } from "../../model/json/json.ts";
import type { EndedRun } from "../../model/sensors/restart-policy.ts";
import type { Clock } from "../../time/clock.ts";
import type { SensorOutput } from "../output/sensor-output.ts";
import type { RunFacts } from "../report/sensor-notes.ts";

export interface Source {
  /** When the next run begins if it may not begin before then, on the monotonic clock. */
  nextRunMs(earliestMs: number): number;
  /** Until a failure, or until told to stop. Rejects only for a fault of the agent. */
  run(context: SourceContext): Promise<EndedRun>;
  /** Ends whatever earlier runs may have left; called once, after the last. */
  close(): Promise<void>;
}

export interface SourceContext {
  /** Submits events and checkpoints, one after the other, and rejects what is neither. */
  readonly output: Pick<SensorOutput, "take" | "flush">;
  /**
   * Where to resume: the newest committed checkpoint, read once everything submitted before is settled. A run asks for it
   * before it does anything. Undefined: there is none, or the sensor is to stop.
   */
  readonly checkpoint: () => Promise<JsonValue | undefined>;
  readonly clock: Clock;
  /** Aborts when the sensor is to stop. */
  readonly stopping: AbortSignal;
  /** Aborts when its last events are no longer waited for. */
  readonly abandoned: AbortSignal;
  /** It is at work. */
  readonly noteRunning: (facts: RunFacts) => void;
  /** Something is known of the run beside its end. */
  readonly noteFacts: (facts: RunFacts) => void;
  /** Something came from it; called as often as it happens. */
  readonly noteOutput: () => void;
  /** Writes to the sensor's log; the last lines are quoted when the sensor fails. */
  readonly log: (lines: readonly string[]) => void;
  /** Warns the operator, once for each text. */
  readonly warn: (warning: string) => void;
}

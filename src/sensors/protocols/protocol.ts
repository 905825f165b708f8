/**
 * What the protocols share: a protocol turns one sensor's processes into events until something goes
 * wrong, and says how it ended. What to do then is not its matter.
 */
import type { EndedRun } from "../../model/sensors/restart-policy.ts";
import type { Clock } from "../../time/clock.ts";
import type { ServedTriggers } from "../output/decoded.ts";
import type { SensorLimits } from "../limits.ts";
import type { Launch } from "../launch/sensor-launcher.ts";
import type { SensorOutput } from "../output/sensor-output.ts";
import type { Line } from "../../processes/lines.ts";

export interface RunContext {
  readonly served: ServedTriggers;
  readonly limits: SensorLimits;
  readonly clock: Clock;
  /** Aborts when the sensor is to stop. */
  readonly stopping: AbortSignal;
  /** Aborts when its last events are no longer waited for. */
  readonly abandoned: AbortSignal;
  /**
   * Starts the sensor's process once everything accepted from it is settled, with the newest committed
   * checkpoint.
   */
  readonly launch: () => Promise<Launch>;
  readonly output: Pick<SensorOutput, "take" | "flush">;
  /** It has printed a line; called as often as it pleases. */
  readonly noteOutput: () => void;
  readonly log: (lines: readonly string[]) => void;
  readonly logStderr: (lines: readonly Line[]) => void;
}

export interface Protocol {
  /** When the next run begins if it may not begin before then, on the monotonic clock. */
  nextRunMs(earliestMs: number): number;
  /** Until a failure, or until told to stop. Never rejects for anything the sensor does. */
  run(context: RunContext): Promise<EndedRun>;
}

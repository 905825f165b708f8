/** Keeps watch over the database's clock for the part that drops old rows, and logs when it is doubted. */
import { uptime } from "node:os";
import { lookAtClock, type ClockTrust } from "../model/retention/clock-leap.ts";
import { durationText } from "../model/texts/duration-text.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface ClockGuardOptions {
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly clock: Pick<Clock, "nowMs">;
  /** How long this machine has been up, with the time that it slept. */
  readonly upMs?: () => number;
}

export class ClockGuard {
  readonly #options: ClockGuardOptions;
  readonly #upMs: () => number;
  #trust: ClockTrust | undefined;

  constructor(options: ClockGuardOptions) {
    this.#options = options;
    this.#upMs = options.upMs ?? (() => uptime() * 1_000);
  }

  /** Called with each reading of the database's clock. */
  observe(databaseMs: number): void {
    const { logger, clock } = this.#options;
    const before = this.#trust;
    const trust = lookAtClock(before, { databaseMs, ownMs: clock.nowMs(), upMs: this.#upMs() });
    this.#trust = trust;
    const ahead = durationText(trust.aheadMs / 1_000);
    if (trust.doubtedUntilMs !== null && trust.aheadMs !== before?.aheadMs)
      logger.warn(
        { ahead_seconds: Math.round(trust.aheadMs / 1_000) },
        `the clock of the database is ${ahead} ahead of what was expected: nothing is dropped for its age for a day; set the server's clock right, or restart the agents if it is right now`,
      );
    else if (trust.doubtedUntilMs === null && (before?.doubtedUntilMs ?? null) !== null)
      logger.info({}, "the clock of the database is trusted again; old rows are dropped");
  }

  /** Whether rows may be younger than they look. */
  isDoubted(): boolean {
    return (this.#trust?.doubtedUntilMs ?? null) !== null;
  }
}

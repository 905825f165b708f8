/**
 * Logs outages of something that fails, is retried and recovers: a warning when the outage begins and a line
 * when it ends, however often it is tried in between. What is wrong at the moment is for the health report.
 *
 * Where the caller names the reason, another one that lasts is a warning, too, once in an outage: a broker that was shut
 * down, and then refuses the login, needs other work than at first.
 *
 * Something that works now and fails then, such as a server without a free connection, begins and ends outages many times
 * a second. So an outage soon after the last one is logged only once it has lasted a while; if its beginning is
 * not logged, neither is its end.
 */
import type { Clock } from "../time/clock.ts";
import type { Logger } from "./logger.ts";

/** An outage that begins within this time after the last one ended is a relapse … */
const relapseMs = 60_000;
/** … and is logged once it has lasted this long. */
const relapseLoggedAfterMs = 5_000;
/** A restart goes through several reasons within this time. */
const reasonLastsMs = 10_000;
const reasonsMax = 5;

export interface OutageTexts {
  readonly begins: string;
  readonly ends: string;
}

interface Outage {
  readonly startedAtMs: number;
  failures: number;
  isLogged: boolean;
  /** Of the last failure. */
  reason: string | undefined;
  reasonSinceMs: number;
  readonly toldReasons: Set<string | undefined>;
}

export class OutageLog {
  readonly #texts: OutageTexts;
  readonly #logger: Pick<Logger, "info" | "warn">;
  readonly #clock: Clock;
  #outage: Outage | undefined;
  #endedAtMs = -Infinity;

  constructor(
    texts: OutageTexts,
    { logger, clock }: { logger: Pick<Logger, "info" | "warn">; clock: Clock },
  ) {
    this.#texts = texts;
    this.#logger = logger;
    this.#clock = clock;
  }

  /**
   * @param fields of the line, if there is one
   * @param reason equal for failures with the same cause
   */
  failed(fields: object, reason?: string): void {
    const outage = this.#noteFailure(reason);
    if (!this.#isWorthALine(outage)) return;
    outage.isLogged = true;
    outage.toldReasons.add(reason);
    this.#logger.warn(fields, this.#texts.begins);
  }

  /** A failure that an exception reports to the caller. Only its end, and other reasons, are left to log. */
  failedAloud(reason?: string): void {
    const outage = this.#noteFailure(reason);
    outage.isLogged = true;
    outage.toldReasons.add(reason);
  }

  recovered(fields: object = {}): void {
    const outage = this.#outage;
    this.#outage = undefined;
    if (outage === undefined || !outage.isLogged) return;
    const nowMs = this.#clock.monotonicMs();
    this.#endedAtMs = nowMs;
    const { failures, startedAtMs } = outage;
    const forSeconds = Math.round((nowMs - startedAtMs) / 1_000);
    this.#logger.info({ ...fields, failures, for_seconds: forSeconds }, this.#texts.ends);
  }

  #isWorthALine({ isLogged, startedAtMs, reason, reasonSinceMs, toldReasons }: Outage): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (isLogged) {
      const isNews = !toldReasons.has(reason) && toldReasons.size < reasonsMax;
      return isNews && nowMs - reasonSinceMs >= reasonLastsMs;
    }
    const isRelapse = startedAtMs - this.#endedAtMs < relapseMs;
    return !isRelapse || nowMs - startedAtMs >= relapseLoggedAfterMs;
  }

  #noteFailure(reason: string | undefined): Outage {
    const nowMs = this.#clock.monotonicMs();
    this.#outage ??= {
      startedAtMs: nowMs,
      failures: 0,
      isLogged: false,
      reason,
      reasonSinceMs: nowMs,
      toldReasons: new Set(),
    };
    const outage = this.#outage;
    outage.failures += 1;
    if (outage.reason !== reason) {
      outage.reason = reason;
      outage.reasonSinceMs = nowMs;
    }
    return outage;
  }
}

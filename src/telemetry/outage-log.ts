/**
 * Logs outages of something that fails, is retried and recovers: a warning when the outage begins and a line
 * when it ends, however often it is tried in between. What is wrong at the moment is for the health report.
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

export interface OutageTexts {
  readonly begins: string;
  readonly ends: string;
}

interface Outage {
  readonly startedAtMs: number;
  failures: number;
  isLogged: boolean;
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

  /** @param fields of the line, if there is one */
  failed(fields: object): void {
    const outage = this.#noteFailure();
    if (outage.isLogged) return;
    const isRelapse = outage.startedAtMs - this.#endedAtMs < relapseMs;
    const lastedMs = this.#clock.monotonicMs() - outage.startedAtMs;
    if (isRelapse && lastedMs < relapseLoggedAfterMs) return;
    outage.isLogged = true;
    this.#logger.warn(fields, this.#texts.begins);
  }

  /** A failure that an exception reports to the caller. Only its end is left to log. */
  failedAloud(): void {
    this.#noteFailure().isLogged = true;
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

  #noteFailure(): Outage {
    this.#outage ??= { startedAtMs: this.#clock.monotonicMs(), failures: 0, isLogged: false };
    this.#outage.failures += 1;
    return this.#outage;
  }
}

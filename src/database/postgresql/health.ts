/**
 * What is known of the server, from every answer and failure that any connection saw. An outage is two
 * log lines, one when it begins and one when it ends, however much is tried meanwhile.
 *
 * A server that answers some connections and fails others, as one that has no more of them, begins and ends outages many
 * times a second. So an outage soon after the last one is told only once it has lasted; what is not told when it begins
 * is not told when it ends. Health always says what was seen last.
 */
import type { Logger } from "../../telemetry/logger.ts";
import type { PartHealth } from "../../telemetry/part-health.ts";
import type { Clock } from "../../time/clock.ts";
import { databaseFailureReason } from "../explain-failure.ts";

/** A relapse within this time after an outage was told to be over … */
const relapseMs = 60_000;
/** … is told after this time without any answer. */
const relapseToldAfterMs = 5_000;

export class ObservedHealth {
  readonly #address: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #state: PartHealth["state"] = "starting";
  #detail: string;
  #checkedAtMs: number;
  #isStopped = false;
  /** Whether a failure is worth a line: not the first one of a caller who is told by an exception. */
  #isTelling: boolean;
  /** When the outage began that goes on now. */
  #failingSinceMs: number | undefined;
  #isOutageTold = false;
  #endToldAtMs = -Infinity;

  constructor(address: string, logger: Logger, clock: Clock, isTellingFirst: boolean) {
    this.#isTelling = isTellingFirst;
    this.#address = address;
    this.#logger = logger;
    this.#clock = clock;
    this.#detail = `connecting to ${address}`;
    this.#checkedAtMs = clock.monotonicMs();
  }

  observe(failure: Error | undefined): void {
    if (this.#isStopped) return;
    const nowMs = this.#clock.monotonicMs();
    this.#checkedAtMs = nowMs;
    if (failure === undefined) this.#noteAnswer(nowMs);
    else this.#noteFailure(databaseFailureReason(failure), nowMs);
  }

  #noteAnswer(nowMs: number): void {
    const address = this.#address;
    const isFirst = !this.#isTelling;
    this.#isTelling = true;
    this.#failingSinceMs = undefined;
    if (this.#state === "up") return;
    // What the first failure said by an exception has an end worth telling, too.
    if (this.#isOutageTold || (isFirst && this.#state === "down")) {
      this.#logger.info({ address }, "the database answers again");
      this.#endToldAtMs = nowMs;
    }
    this.#isOutageTold = false;
    this.#state = "up";
    this.#detail = `${address} answers`;
  }

  #noteFailure(reason: string, nowMs: number): void {
    const address = this.#address;
    this.#failingSinceMs ??= nowMs;
    this.#detail = `${address} does not answer: ${reason}`;
    this.#state = "down";
    if (!this.#isTelling || this.#isOutageTold) return;
    const isRelapse = this.#failingSinceMs - this.#endToldAtMs < relapseMs;
    if (isRelapse && nowMs - this.#failingSinceMs < relapseToldAfterMs) return;
    this.#isOutageTold = true;
    this.#logger.warn({ address, reason }, "the database does not answer; trying again");
  }

  current(): PartHealth {
    return { state: this.#state, detail: this.#detail, checkedAtMs: this.#checkedAtMs };
  }

  /** From here on what happens is our own doing. */
  stop(): void {
    this.#isStopped = true;
    this.#state = "down";
    this.#detail = "closed";
  }
}

/**
 * What is known of the server, from every answer and failure that any connection saw. An outage is two
 * log lines, one when it begins and one when it ends, however much is tried meanwhile.
 */
import type { Logger } from "../telemetry/logger.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Clock } from "../time/clock.ts";

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
    this.#checkedAtMs = this.#clock.monotonicMs();
    const address = this.#address;
    if (failure === undefined) {
      this.#isTelling = true;
      if (this.#state === "up") return;
      if (this.#state === "down") this.#logger.info({ address }, "the database answers again");
      this.#state = "up";
      this.#detail = `${address} answers`;
      return;
    }
    this.#detail = `${address} does not answer: ${reasonOf(failure)}`;
    if (this.#isTelling && this.#state !== "down") {
      this.#logger.warn({ address, reason: reasonOf(failure) }, "the database does not answer; trying again");
    }
    this.#state = "down";
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

/** Several addresses tried for one name fail as one error with an empty message. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

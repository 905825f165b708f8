/**
 * What is known about the server from the answers and failures of all connections. One line is logged when an outage
 * begins, one for each other reason that lasts, and one when it ends; the health report shows the latest observation.
 */
import { messageOf } from "../../errors/caught.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import type { PartHealth } from "../../telemetry/part-health.ts";
import type { Clock } from "../../time/clock.ts";
import { explainDatabaseFailure } from "../explain-failure.ts";

export class ObservedHealth {
  readonly #address: string;
  readonly #outage: OutageLog;
  readonly #clock: Clock;
  #state: PartHealth["state"] = "starting";
  #detail: string;
  #checkedAtMs: number;
  #isStopped = false;
  /** Whether failures are logged. Until the first answer, the caller may get them as an exception instead. */
  #isLogging: boolean;
  /** What is wrong although the server answers; undefined: nothing. */
  readonly #complaint: () => string | undefined;

  constructor(
    address: string,
    logger: Logger,
    clock: Clock,
    isLoggingFirst: boolean,
    complaint: () => string | undefined,
  ) {
    const texts = {
      begins: "the database does not answer; trying again",
      ends: "the database answers again",
    };
    this.#outage = new OutageLog(texts, { logger, clock });
    this.#complaint = complaint;
    this.#isLogging = isLoggingFirst;
    this.#address = address;
    this.#clock = clock;
    this.#detail = `connecting to ${address}`;
    this.#checkedAtMs = clock.monotonicMs();
  }

  observe(failure: Error | undefined): void {
    if (this.#isStopped) return;
    this.#checkedAtMs = this.#clock.monotonicMs();
    if (failure === undefined) this.#noteAnswer();
    else this.#noteFailure(failure);
  }

  #noteAnswer(): void {
    this.#isLogging = true;
    if (this.#state === "up") return;
    this.#outage.recovered({ address: this.#address });
    this.#state = "up";
    this.#detail = `${this.#address} answers`;
  }

  #noteFailure(failure: Error): void {
    const address = this.#address;
    const unexplained = { reason: messageOf(failure), remedy: undefined };
    const { reason, remedy } = explainDatabaseFailure(failure) ?? unexplained;
    this.#detail = `${address} does not answer: ${reason}`;
    this.#state = "down";
    if (this.#isLogging) this.#outage.failed({ address, reason, remedy }, reason);
    else this.#outage.failedAloud(reason);
  }

  current(): PartHealth {
    const checkedAtMs = this.#checkedAtMs;
    const complaint = this.#state === "up" ? this.#complaint() : undefined;
    if (complaint === undefined) return { state: this.#state, detail: this.#detail, checkedAtMs };
    return { state: "degraded", detail: `${this.#detail}, but: ${complaint}`, checkedAtMs };
  }

  /** Later failures only result from closing the connections. */
  stop(): void {
    this.#isStopped = true;
    this.#state = "down";
    this.#detail = "closed";
  }
}

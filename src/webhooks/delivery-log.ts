/**
 * Writes the log of webhook requests, after they were answered: no sender waits for it.
 *
 *   noted ──accepted, or within the rate──▶ buffered ──100 ms──▶ written
 *     └──beyond the rate──▶ counted with its like ──10 s──▶ buffered as one row
 *
 * Every stored event has a row of its own. All other requests can come from anyone, so beyond a rate only their number is
 * written: an attacker must not fill the database. The buffer is bounded, too; what does not fit while the database is
 * unreachable is counted as a metric.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { addDeliveries } from "../database/statements/webhook-deliveries.ts";
import type { DeliveryRecord } from "../model/webhooks/delivery-record.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { Clock } from "../time/clock.ts";
import type { WebhookMetrics } from "./ports.ts";

export interface DeliveryLogOptions {
  readonly database: Queryable;
  readonly metrics: Pick<WebhookMetrics, "webhookDeliveriesUnlogged">;
  readonly logger: Logger;
  readonly clock: Clock;
}

const writeAfterMs = 100;
const retryMs = 1_000;
const rowsPerStatement = 500;
const bufferedMax = 10_000;
/** Requests without an event that have rows of their own: so many at once, and then so many a second. */
const ownRowsBurst = 200;
const ownRowsPerSecond = 20;
const countedMs = 10_000;
const countedMax = 1_000;

export class DeliveryLog {
  readonly #options: DeliveryLogOptions;
  readonly #outage: OutageLog;
  #buffered: DeliveryRecord[] = [];
  readonly #counted = new Map<string, DeliveryRecord>();
  #countedSinceMs = 0;
  #ownRows = ownRowsBurst;
  #refilledAtMs: number;
  #wake: (() => void) | undefined;
  #hasWritten = false;

  constructor(options: DeliveryLogOptions) {
    this.#options = options;
    this.#refilledAtMs = options.clock.monotonicMs();
    this.#outage = new OutageLog(
      {
        begins: "could not write the log of webhook deliveries; it is tried again",
        ends: "writing the log of webhook deliveries works again",
      },
      options,
    );
  }

  note(record: DeliveryRecord): void {
    if (record.verdict === "accepted" || this.#hasOwnRow()) this.#buffer(record);
    else this.#count(record);
    this.#wake?.();
  }

  /** Whether something was written since this was last asked. */
  takeWritten(): boolean {
    const hasWritten = this.#hasWritten;
    this.#hasWritten = false;
    return hasWritten;
  }

  /** Writes until the signal aborts, and then what is left. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      if (this.#buffered.length === 0 && this.#counted.size === 0) await this.#noted();
      await clock.sleep(writeAfterMs, signal);
      if (!(await this.#write(signal.aborted))) await clock.sleep(retryMs, signal);
    }
    await this.#write(true);
  }

  /** False: the database does not take it now. */
  async #write(isLast: boolean): Promise<boolean> {
    if (isLast || this.#options.clock.monotonicMs() - this.#countedSinceMs >= countedMs) this.#endCount();
    while (this.#buffered.length > 0) {
      const rows = this.#buffered.slice(0, rowsPerStatement);
      try {
        await rowsOf(this.#options.database, addDeliveries, rows);
      } catch (error) {
        this.#outage.failed({ error });
        return false;
      }
      this.#outage.recovered();
      this.#hasWritten = true;
      this.#buffered = this.#buffered.slice(rows.length);
    }
    return true;
  }

  async #noted(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }

  #hasOwnRow(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const refill = ((nowMs - this.#refilledAtMs) * ownRowsPerSecond) / 1_000;
    this.#ownRows = Math.min(ownRowsBurst, this.#ownRows + refill);
    this.#refilledAtMs = nowMs;
    if (this.#ownRows < 1) return false;
    this.#ownRows -= 1;
    return true;
  }

  #buffer(record: DeliveryRecord): void {
    if (this.#buffered.length < bufferedMax) this.#buffered.push(record);
    else this.#options.metrics.webhookDeliveriesUnlogged(record.requests);
  }

  #count(record: DeliveryRecord): void {
    if (this.#counted.size === 0) this.#countedSinceMs = this.#options.clock.monotonicMs();
    const { verdict, reason, triggerRef, ruleRef, status } = record;
    const key = JSON.stringify([verdict, reason, triggerRef, ruleRef, status]);
    const known = this.#counted.get(key);
    if (known === undefined && this.#counted.size >= countedMax) {
      this.#options.metrics.webhookDeliveriesUnlogged(record.requests);
      return;
    }
    this.#counted.set(
      key,
      known === undefined
        ? { ...record, requestId: null, deliveryId: null, remoteAddress: null, eventId: null, eventCount: 0 }
        : { ...known, requests: known.requests + 1, bytes: known.bytes + record.bytes },
    );
  }

  #endCount(): void {
    for (const record of this.#counted.values()) this.#buffer(record);
    this.#counted.clear();
  }
}

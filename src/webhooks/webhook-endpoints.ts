/**
 * The endpoints of this installation's webhooks, as the rows define them.
 *
 *   unread ──request──▶ current ──a row changed, 10 s passed──▶ stale ──request──▶ current
 *
 * The rows are read for a request, never for a change, so an agent that receives no webhooks reads nothing. The first request after
 * a change waits for the rows, and so do those that come meanwhile. A burst of changes costs a read every `spacingMs` at most.
 *
 * At most one read runs and at most one waits. A request after a change joins the waiting one, because the running one may
 * have read the rows before the change.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { readWebhookEndpoints } from "../database/statements/webhook-endpoints.ts";
import { objectOf } from "../model/json/json.ts";
import {
  endpointTable,
  findEndpoint,
  type EndpointTable,
  type FoundEndpoint,
} from "../model/webhooks/endpoint-table.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface WebhookEndpointsOptions {
  readonly database: Queryable;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** For a notification that was lost. */
const keptMs = 10_000;
const spacingMs = 100;

export class WebhookEndpoints {
  readonly #options: WebhookEndpointsOptions;
  #table: EndpointTable | undefined;
  #isStale = true;
  #readAtMs = -Infinity;
  #running: Promise<EndpointTable> | undefined;
  #waiting: Promise<EndpointTable> | undefined;
  #reported = "";

  constructor(options: WebhookEndpointsOptions) {
    this.#options = options;
  }

  /** A rule, a trigger or a sensor has changed. */
  wake(): void {
    this.#isStale = true;
  }

  /** Rejects when the rows have never been read and the database does not answer. */
  async find(path: string, method: string): Promise<FoundEndpoint> {
    const table = this.#table;
    const isOld = this.#options.clock.monotonicMs() - this.#readAtMs >= keptMs;
    if (table !== undefined && !this.#isStale && !isOld && this.#running === undefined)
      return findEndpoint(table, path, method);
    try {
      return findEndpoint(await this.#read(), path, method);
    } catch (error) {
      if (table === undefined) throw error;
      // Nothing can be stored either, so the sender is told to repeat its request.
      return findEndpoint(table, path, method);
    }
  }

  /** The result of a read that began after the last change. */
  #read(): Promise<EndpointTable> {
    if (this.#running !== undefined && !this.#isStale) return this.#running;
    this.#waiting ??= this.#startSoon();
    return this.#waiting;
  }

  async #startSoon(): Promise<EndpointTable> {
    const { clock } = this.#options;
    // Its failure concerns only the requests that wait for it.
    await this.#running?.catch(() => undefined);
    await clock.sleep(Math.max(0, this.#readAtMs + spacingMs - clock.monotonicMs()));
    this.#waiting = undefined;
    // Before the rows are read: what changes meanwhile is read the next time.
    this.#isStale = false;
    this.#readAtMs = clock.monotonicMs();
    this.#running = this.#renew().finally(() => {
      this.#running = undefined;
    });
    return await this.#running;
  }

  async #renew(): Promise<EndpointTable> {
    try {
      this.#table = await this.#readTable();
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
    this.#report(this.#table);
    return this.#table;
  }

  async #readTable(): Promise<EndpointTable> {
    const rows = await rowsOf(this.#options.database, readWebhookEndpoints, undefined);
    const rules = rows.flatMap(({ kind, id, ref, packRef, settings }) =>
      kind === "rule" ? [{ id, ref, packRef, params: objectOf(settings) }] : [],
    );
    const triggers = rows.flatMap(({ id, ref, packRef, key, settings }) =>
      key === null ? [] : [{ id, ref, packRef, key, config: objectOf(settings) }],
    );
    return endpointTable(rules, triggers);
  }

  #report({ problems }: EndpointTable): void {
    const text = JSON.stringify(problems);
    if (text === this.#reported) return;
    this.#reported = text;
    for (const { ref, problem } of problems.slice(0, 20))
      this.#options.logger.warn(
        { ref, reason: problem },
        "does not serve a webhook: its settings are not valid",
      );
  }
}

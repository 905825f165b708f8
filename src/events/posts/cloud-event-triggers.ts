/**
 * The triggers of posted CloudEvents.
 *
 * They are kept for a while, so that a post costs no read of its own. A change of any trigger lets them be read anew; the time
 * limit is for a notification that was lost.
 */
import type { Queryable } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { listCloudEventTriggers } from "../../database/statements/cloud-events.ts";
import { decodeTriggerMapping, TriggerTable } from "../../model/cloud-events/trigger-mapping.ts";
import type { Clock } from "../../time/clock.ts";

export interface CloudEventTriggersOptions {
  readonly database: Queryable;
  readonly clock: Pick<Clock, "monotonicMs">;
}

const keptMs = 10_000;
const countMax = 10_000;

export class CloudEventTriggers {
  readonly #options: CloudEventTriggersOptions;
  #kept: { readonly readAtMs: number; readonly table: Promise<TriggerTable> } | undefined;

  constructor(options: CloudEventTriggersOptions) {
    this.#options = options;
  }

  /** The table rejects when the database does not answer. */
  async table(): Promise<TriggerTable> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#kept !== undefined && nowMs - this.#kept.readAtMs < keptMs) return await this.#kept.table;
    const kept = { readAtMs: nowMs, table: this.#read() };
    this.#kept = kept;
    try {
      return await kept.table;
    } catch (error) {
      if (this.#kept === kept) this.#kept = undefined;
      throw error;
    }
  }

  /** A trigger has changed. */
  wake(): void {
    this.#kept = undefined;
  }

  async #read(): Promise<TriggerTable> {
    const rows = await rowsOf(this.#options.database, listCloudEventTriggers, { countMax });
    return new TriggerTable(
      rows.flatMap(({ triggerRef, cloudevents }) => {
        // A mapping that plain SQL wrote may be none; nothing matches it then.
        const mapping = decodeTriggerMapping(cloudevents);
        return mapping.kind === "valid" ? [{ triggerRef, mapping: mapping.value }] : [];
      }),
    );
  }
}

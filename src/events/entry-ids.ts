/**
 * Draws the ids of entries and of enforcements, once each.
 *
 * An id is drawn anew in one case only: another row has it, since the database was set back (a failover, a
 * restoration) and gave it out again. No earlier attempt with that id can be stored then, nor can one with any
 * later entry of the same source: wherever that was, the entry before it was too. So all of them get new
 * ids, which keeps a source's ids ascending, and none of them is in doubt any more.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { findForeignIds } from "../database/statements/stored-batches.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import { idOf, soughtText, type Entry } from "./entries.ts";
import type { StorageRetry } from "./storage-retry.ts";
import { assignIds, missingIdCount, type Piece } from "./matched-piece.ts";
import type { PreparedBatch } from "./prepared-batch.ts";
import { ReservedIds } from "./reserved-ids.ts";
import type { ServerWatch } from "./server-watch.ts";

export interface EntryIdsOptions {
  readonly database: Queryable;
  readonly server: Pick<ServerWatch, "look">;
  readonly installationId: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

export class EntryIds {
  readonly #options: EntryIdsOptions;
  readonly #retry: StorageRetry;
  readonly #events: ReservedIds;
  readonly #enforcements: ReservedIds;
  /** By sensor: entries with a lower id come after one that got this new id. */
  readonly #renumberedFrom = new Map<Id | null, bigint>();

  constructor(options: EntryIdsOptions, retry: StorageRetry) {
    const { database, server, logger, clock } = options;
    this.#options = options;
    this.#retry = retry;
    const reserved = (kind: "event" | "enforcement"): ReservedIds =>
      new ReservedIds(database, `${kind}_id_seq`, {
        clock,
        look: () => server.look(),
        onSetBack: () =>
          logger.warn(
            { ids: kind },
            "the database hands out ids a second time, as after a failover or a restore; new ids start far above the earlier ones",
          ),
      });
    this.#events = reserved("event");
    this.#enforcements = reserved("enforcement");
  }

  /** From now on ids are above all that any worker has reserved so far. */
  renew(): void {
    this.#events.renew();
    this.#enforcements.renew();
  }

  /** Entries that get an id from now on get one above this. */
  raiseAbove(id: Id): void {
    this.#events.raiseAbove(id);
  }

  /** Gives an id to each entry that has none. */
  async identify(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const waiting = entries.filter((entry) => entry.id === undefined || this.#isOutdated(entry, entry.id));
    if (waiting.length === 0) return;
    const ids = await this.#retry.untilAnswered(() => this.#events.take(waiting.length), signal);
    for (const [index, entry] of waiting.entries()) {
      entry.id = ids[index];
      entry.isInDoubt = false;
    }
  }

  /** Gives an id to each enforcement of the piece that has none. */
  async identifyEnforcements(piece: Piece, signal: AbortSignal): Promise<void> {
    const count = missingIdCount(piece);
    if (count === 0) return;
    assignIds(piece, await this.#retry.untilAnswered(() => this.#enforcements.take(count), signal));
  }

  /**
   * After an attempt found one of its ids taken: ids that others' rows have are drawn anew. Those that an earlier attempt of
   * ours stored are in doubt from now on, so that they are looked for.
   *
   * @param entries those of the attempt and those after them
   */
  async replaceForeign(
    attempted: PreparedBatch,
    entries: readonly Entry[],
    signal: AbortSignal,
  ): Promise<void> {
    const { database, installationId, logger } = this.#options;
    const events = attempted.events.map(({ entry }) => entry);
    for (const entry of events) entry.isInDoubt = true;
    const sought = {
      events: soughtText(events, installationId),
      enforcements: enforcingText(attempted, installationId),
    };
    const foreign = await this.#retry.untilAnswered(() => rowsOf(database, findForeignIds, sought), signal);
    if (foreign.length === 0) return;

    const of = (kind: "event" | "enforcement"): ReadonlySet<Id> =>
      new Set(foreign.flatMap((each) => (each.kind === kind ? [each.id] : [])));
    const [foreignEvents, foreignEnforcements] = [of("event"), of("enforcement")];
    logger.warn(
      { events: foreignEvents.size, enforcements: foreignEnforcements.size },
      "the database gave ids reserved by this agent to others, as after a failover or a restore; reserving new ones",
    );
    this.#events.forget();
    this.#enforcements.forget();
    for (const { enforcementIds } of events) {
      for (const [ruleId, id] of enforcementIds ?? [])
        if (foreignEnforcements.has(id)) enforcementIds?.delete(ruleId);
    }
    await this.#renumber(entries, foreignEvents, signal);
  }

  async #renumber(entries: readonly Entry[], foreign: ReadonlySet<Id>, signal: AbortSignal): Promise<void> {
    const firsts = new Map<Id | null, Entry>();
    for (const entry of entries) {
      const key = entry.source?.sensorId ?? null;
      if (!firsts.has(key) && foreign.has(idOf(entry))) firsts.set(key, entry);
      if (firsts.has(key)) entry.id = undefined;
    }
    await this.identify(entries, signal);
    for (const [key, first] of firsts) this.#renumberedFrom.set(key, BigInt(idOf(first)));
  }

  #isOutdated({ source }: Entry, id: Id): boolean {
    const from = this.#renumberedFrom.get(source?.sensorId ?? null);
    return from !== undefined && BigInt(id) < from;
  }
}

/** As findForeignIds wants them. */
function enforcingText({ events }: PreparedBatch, installationId: string): string {
  const texts = events.flatMap(({ entry, enforcements }) =>
    enforcements.map(
      ({ id, match }) =>
        `{"i":${id},"m":"${messageId(installationId, "enforcement", id)}","e":${idOf(entry)},"r":${match.ruleId}}`,
    ),
  );
  return `[${texts.join(",")}]`;
}

/**
 * Ids taken from a sequence in blocks, ahead of their use.
 *
 * An id that is known before the statement makes a repetition of the statement harmless. The next
 * block is fetched while the present one is in use, so that a lone event waits for no round trip.
 *
 * A database that was set back gives ids out again, also those that are held here. Who finds out tells,
 * by `forget`.
 *
 * Ids ascend all the same: checkpoints are ordered by them, and an id once used is in a message. So a block
 * that lies below an earlier one is not used, and the sequence is moved on, far enough for the ids of other
 * processes too.
 *
 * Ids expire. Retention ends a partition by moving the sequence on to the next one. An agent that rarely stores an event
 * would otherwise put new rows into the old partition for weeks, and that partition would never be old enough to drop.
 */
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { idLeap, moveSequenceOn, reserveIds, type IdSequence } from "../database/statements/id-sequences.ts";
import type { Id } from "../model/identifiers.ts";
import { systemClock, type Clock } from "../time/clock.ts";

const blockLength = 1_000;

/** As long as a partition takes rows at least. */
const usableMs = 3_600_000;

export interface ReservedIdsOptions {
  /** Before each block: is the database still the same server's? */
  readonly look?: () => Promise<void>;
  /** The database gave ids that it had given before. */
  readonly onSetBack?: () => void;
  readonly clock?: Pick<Clock, "monotonicMs">;
}

export class ReservedIds {
  readonly #database: Queryable;
  readonly #sequence: IdSequence;
  readonly #look: () => Promise<void>;
  readonly #onSetBack: () => void;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #ids: Id[] = [];
  /** No id that is held was drawn earlier. */
  #heldSinceMs = 0;
  #fetching: Promise<void> | undefined;
  #generation = 0;
  #highest = 0n;
  /** Whether the sequence is known to give ids that are used. */
  #isBehind = false;

  constructor(
    database: Queryable,
    sequence: IdSequence,
    { look, onSetBack, clock }: ReservedIdsOptions = {},
  ) {
    this.#database = database;
    this.#sequence = sequence;
    this.#look = look ?? (async () => {});
    this.#onSetBack = onSetBack ?? (() => {});
    this.#clock = clock ?? systemClock;
  }

  /** Resolves with `count` ids in ascending order, above all earlier ones; rejects when the database does not give them. */
  async take(count: number): Promise<readonly Id[]> {
    if (this.#clock.monotonicMs() - this.#heldSinceMs >= usableMs) this.renew();
    while (this.#ids.length < count) await this.#fetch(count);
    const taken = this.#ids.splice(0, count);
    if (this.#ids.length < blockLength / 2) {
      // A failure here is not lost: the next caller that needs ids asks again and sees it.
      this.#fetch(blockLength).catch(() => {});
    }
    return taken;
  }

  /** From now on, ids are above all ids that any agent has reserved so far. */
  renew(): void {
    this.#ids = [];
    this.#generation += 1;
  }

  /** From now on ids are above this one. */
  raiseAbove(id: Id): void {
    const [next] = this.#ids;
    if (next === undefined || BigInt(next) <= BigInt(id)) this.renew();
  }

  /** What is held may be others' by now. */
  forget(): void {
    this.#ids = [];
    this.#generation += 1;
    this.#isBehind = true;
  }

  async #fetch(count: number): Promise<void> {
    this.#fetching ??= this.#fetchBlock(Math.max(count, blockLength)).finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
  }

  async #fetchBlock(count: number): Promise<void> {
    const generation = this.#generation;
    const askedAtMs = this.#clock.monotonicMs();
    const ids = await this.#reserve(count);
    this.#highest = BigInt(ids.at(-1) ?? this.#highest);
    if (generation !== this.#generation) return;
    if (this.#ids.length === 0) this.#heldSinceMs = askedAtMs;
    this.#ids = this.#ids.concat(ids);
  }

  /** A block above all earlier ones. */
  async #reserve(count: number): Promise<readonly Id[]> {
    for (;;) {
      await this.#look();
      if (this.#isBehind) await this.#moveOn();
      const block = await rowOf(this.#database, reserveIds, { sequence: this.#sequence, count });
      const ids = block?.ids ?? [];
      if (BigInt(ids[0] ?? 0) > this.#highest) return ids;
      this.#isBehind = true;
      this.#onSetBack();
    }
  }

  async #moveOn(): Promise<void> {
    const beyond = String(this.#highest + idLeap);
    await rowOf(this.#database, moveSequenceOn, { sequence: this.#sequence, beyond });
    this.#isBehind = false;
  }
}

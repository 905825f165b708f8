/**
 * Which assignments are this worker's, as far as it knows, while renewals, claims and releases overlap.
 *
 * An answer tells how things stood at some moment between its question and itself. So the answer to a renewal counts only
 * for what this worker knew when it asked and has not touched since:
 *
 *   named by the answer, and not given away meanwhile        ours
 *   not named, known at the question, the same term still    lost
 *   anything else                                            the next renewal tells
 *
 * An assignment that this worker did not know of and a renewal names is one whose claim was carried out although its answer
 * was lost.
 */
import type { ClaimedAssignment } from "../database/statements/assignments.ts";
import type { Id } from "../model/identifiers.ts";

/** What was ours when a renewal was asked: generations by sensor. */
export type RenewalQuestion = ReadonlyMap<Id, Id>;

export interface RenewalNews {
  readonly lost: readonly Id[];
  readonly found: readonly Id[];
}

export class OwnedAssignments {
  readonly #generations = new Map<Id, Id>();
  readonly #beingReleased = new Set<Id>();
  /** Since the last question, whether or not it was carried out. */
  readonly #triedToRelease = new Set<Id>();

  /** Generations by sensor. */
  all(): ReadonlyMap<Id, Id> {
    return this.#generations;
  }

  /** A renewal is asked; one at a time. */
  ask(): RenewalQuestion {
    this.#triedToRelease.clear();
    return new Map(this.#generations);
  }

  answer(question: RenewalQuestion, renewed: readonly ClaimedAssignment[]): RenewalNews {
    const found: Id[] = [];
    for (const { sensorId, generation } of renewed) {
      if (this.#beingReleased.has(sensorId) || this.#triedToRelease.has(sensorId)) continue;
      const known = this.#generations.get(sensorId);
      if (known === undefined) found.push(sensorId);
      if (known === undefined || BigInt(known) < BigInt(generation)) {
        this.#generations.set(sensorId, generation);
      }
    }
    const named = new Set(renewed.map(({ sensorId }) => sensorId));
    const lost = [...question]
      .filter(
        ([sensorId, generation]) => !named.has(sensorId) && this.#generations.get(sensorId) === generation,
      )
      .map(([sensorId]) => sensorId);
    for (const sensorId of lost) this.#generations.delete(sensorId);
    return { lost, found };
  }

  claimed(claims: readonly ClaimedAssignment[]): void {
    for (const { sensorId, generation } of claims) this.#generations.set(sensorId, generation);
  }

  /** From here on they are not ours; those that cannot be released a later renewal finds again. */
  startRelease(sensorIds: readonly Id[]): void {
    for (const sensorId of sensorIds) {
      this.#generations.delete(sensorId);
      this.#beingReleased.add(sensorId);
    }
  }

  endRelease(sensorIds: readonly Id[]): void {
    for (const sensorId of sensorIds) {
      this.#beingReleased.delete(sensorId);
      this.#triedToRelease.add(sensorId);
    }
  }

  forgetAll(): void {
    this.#generations.clear();
  }
}

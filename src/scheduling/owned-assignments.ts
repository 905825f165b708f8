/**
 * Tracks which assignments this worker owns, as far as it knows, while looks, claims and releases overlap.
 *
 * A response describes some moment between the request and its arrival. So the response to a look counts only for
 * assignments that this worker knew at the request and has not touched since:
 *
 *   listed in the response, and unknown                        ours: its claim succeeded although the response was lost
 *   listed, and known since the request under another term     ours under that term, even an older one: a restore sets
 *                                                              the database back, and it refuses events of later terms
 *   not listed, but known at the request with the same term    lost
 *   anything else, such as one that is being released          the next look decides
 */
import type { ClaimedAssignment } from "../database/statements/assignments.ts";
import type { Id } from "../model/identifiers.ts";

/** Generations by sensor. */
export type KnownAssignments = ReadonlyMap<Id, Id>;

export class OwnedAssignments {
  readonly #generations = new Map<Id, Id>();
  readonly #beingReleased = new Set<Id>();
  /** Released since the last look began, whether or not the release was carried out. */
  readonly #triedToRelease = new Set<Id>();

  all(): KnownAssignments {
    return this.#generations;
  }

  /** A look begins; only one may be pending. Returns what is known now. */
  ask(): KnownAssignments {
    this.#triedToRelease.clear();
    return new Map(this.#generations);
  }

  /**
   * @param knownThen what was known when the look began
   * @returns the sensors whose assignments were lost
   */
  answer(knownThen: KnownAssignments, rows: readonly ClaimedAssignment[]): readonly Id[] {
    for (const { sensorId, generation } of rows) {
      if (this.#beingReleased.has(sensorId) || this.#triedToRelease.has(sensorId)) continue;
      const known = this.#generations.get(sensorId);
      if (known === knownThen.get(sensorId) || known === undefined) {
        this.#generations.set(sensorId, generation);
      }
    }
    const listed = new Set(rows.map(({ sensorId }) => sensorId));
    const lost = [...knownThen]
      .filter(
        ([sensorId, generation]) => !listed.has(sensorId) && this.#generations.get(sensorId) === generation,
      )
      .map(([sensorId]) => sensorId);
    for (const sensorId of lost) this.#generations.delete(sensorId);
    return lost;
  }

  claimed(claims: readonly ClaimedAssignment[]): void {
    for (const { sensorId, generation } of claims) this.#generations.set(sensorId, generation);
  }

  /** From now on they are not ours. A later look finds those that could not be released. */
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

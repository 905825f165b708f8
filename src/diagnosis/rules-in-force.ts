/**
 * The rules on a trigger as they were at a moment, compiled.
 *
 * A version of a rule never changes, so that each is read and compiled once and kept, the ones used last longest. A trigger
 * with more rules than are kept is read anew each time.
 */
import { WorkSlices } from "../concurrency/work-slices.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import {
  readVersionsById,
  readVersionsInForce,
  type VersionKey,
} from "../database/statements/rule-versions.ts";
import { predicatesOf } from "../model/conditions/condition.ts";
import { PredicateTable, type Predicate } from "../model/conditions/predicate.ts";
import type { Id } from "../model/identifiers.ts";
import { prepareVersion, type PreparedVersion } from "../model/rules/prepared-version.ts";
import type { Moment } from "../model/rules/rules-at.ts";

export interface RulesInForceLimits {
  readonly versionsMax: number;
  /** Of the definitions as JSON. */
  readonly charactersMax: number;
}

interface KeptVersion {
  readonly prepared: PreparedVersion;
  readonly changedUs: string;
  readonly characters: number;
}

/** About 10 MB at most. */
const limitsDefault: RulesInForceLimits = { versionsMax: 2_000, charactersMax: 2_000_000 };
/** About what it costs to compile a rule, in characters of parsing. */
const compileWork = 2_048;
/** Definitions that are read by one statement, so that decoding them does not hold up the event loop. */
const readMax = 500;

export class RulesInForce {
  readonly #limits: RulesInForceLimits;
  /** In the order of their last use. */
  readonly #kept = new Map<Id, KeptVersion>();
  readonly #predicates = new PredicateTable();
  #characters = 0;

  constructor(limits: RulesInForceLimits = limitsDefault) {
    this.#limits = limits;
  }

  get keptCount(): number {
    return this.#kept.size;
  }

  /**
   * In order of rule id.
   *
   * @param rows of one snapshot
   */
  async at(rows: Queryable, triggerRef: string, moment: Moment): Promise<readonly PreparedVersion[]> {
    const keys = await rowsOf(rows, readVersionsInForce, { triggerRef, moment });
    const found = new Map<Id, PreparedVersion>();
    const missing: VersionKey[] = [];
    for (const key of keys) {
      const known = this.#known(key);
      if (known === undefined) missing.push(key);
      else found.set(key.id, known);
    }
    await this.#read(rows, missing, found);
    return keys.map(({ id }) => found.get(id)).filter((version) => version !== undefined);
  }

  #known({ id, changedUs }: VersionKey): PreparedVersion | undefined {
    const kept = this.#kept.get(id);
    if (kept?.changedUs !== changedUs) return undefined;
    this.#kept.delete(id);
    this.#kept.set(id, kept);
    return kept.prepared;
  }

  async #read(
    rows: Queryable,
    missing: readonly VersionKey[],
    found: Map<Id, PreparedVersion>,
  ): Promise<void> {
    const slices = new WorkSlices();
    const changedUs = new Map(missing.map((key) => [key.id, key.changedUs]));
    for (let at = 0; at < missing.length; at += readMax) {
      const ids = missing.slice(at, at + readMax).map(({ id }) => id);
      for (const { version, characters } of await rowsOf(rows, readVersionsById, ids)) {
        const prepared = prepareVersion(version, this.#predicates);
        found.set(version.id, prepared);
        this.#keep({ prepared, characters, changedUs: changedUs.get(version.id) ?? "" });
        const pause = slices.spend(compileWork + characters);
        if (pause !== undefined) await pause;
      }
    }
  }

  #keep(version: KeptVersion): void {
    const { id } = version.prepared.version;
    this.#forget(id);
    this.#predicates.keep(predicatesIn(version.prepared));
    this.#kept.set(id, version);
    this.#characters += version.characters;
    const { versionsMax, charactersMax } = this.#limits;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= versionsMax && this.#characters <= charactersMax) return;
      this.#forget(oldest);
    }
  }

  #forget(id: Id): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    this.#characters -= kept.characters;
    this.#predicates.release(predicatesIn(kept.prepared));
  }
}

function predicatesIn({ prepared }: PreparedVersion): readonly Predicate[] {
  return prepared?.compiled.kind === "valid" ? predicatesOf(prepared.compiled.value.root) : [];
}

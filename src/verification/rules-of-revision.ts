/**
 * The compiled rules of a trigger at a revision, made of the versions that are kept of each rule.
 *
 * Sets are compiled when they are first needed, in slices, and the most recent ones are kept: events are read in the order of
 * ids, so their revisions hardly go back.
 */
import { WorkSlices } from "../concurrency/work-slices.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { readTriggerVersions, type TriggerVersion } from "../database/statements/verified-events.ts";
import type { Id } from "../model/identifiers.ts";
import { CompiledRuleSet } from "../model/rules/rule-set.ts";
import { ruleOf } from "../model/rules/rules-at.ts";

interface Timeline {
  /** In ascending order. */
  readonly versions: readonly { readonly revision: bigint; readonly version: TriggerVersion }[];
  /** All later revisions may be missing. */
  readonly knownUntil: bigint;
}

const timelinesMax = 200;
const setsMax = 50;
/** About what it costs to compile a rule, in characters of parsing. */
const ruleWork = 4_096;

export class RulesOfRevision {
  readonly #timelines = new Map<string, Timeline>();
  readonly #sets = new Map<string, CompiledRuleSet>();
  /** By trigger: the revision that was asked for last. */
  readonly #latest = new Map<string, { readonly revision: Id; readonly set: CompiledRuleSet }>();
  readonly #slices = new WorkSlices();

  /** Undefined: it has to be looked up. */
  known(triggerRef: string, revision: Id): CompiledRuleSet | undefined {
    const latest = this.#latest.get(triggerRef);
    return latest?.revision === revision ? latest.set : undefined;
  }

  /** @param rows read the same snapshot as the event */
  async at(rows: Queryable, triggerRef: string, revision: Id): Promise<CompiledRuleSet> {
    const bound = BigInt(revision);
    const { versions } = await this.#timeline(rows, triggerRef, bound);
    const later = versions.findIndex((each) => each.revision > bound);
    const count = later === -1 ? versions.length : later;
    const key = `${count} ${triggerRef}`;
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = await this.#compile(
        triggerRef,
        versions.slice(0, count).map(({ version }) => version),
      );
      if (this.#sets.size >= setsMax) forgetOldest(this.#sets);
      this.#sets.set(key, set);
    }
    if (this.#latest.size >= timelinesMax) forgetOldest(this.#latest);
    this.#latest.set(triggerRef, { revision, set });
    return set;
  }

  async #timeline(rows: Queryable, triggerRef: string, bound: bigint): Promise<Timeline> {
    const known = this.#timelines.get(triggerRef);
    if (known !== undefined && known.knownUntil >= bound) return known;
    const read = await rowsOf(rows, readTriggerVersions, { triggerRef });
    const versions = read.map((version) => ({ revision: BigInt(version.revision), version }));
    versions.sort((one, other) =>
      one.revision < other.revision ? -1 : one.revision > other.revision ? 1 : 0,
    );
    // The snapshot shows every change up to a revision that an event in it was matched at.
    const timeline = { versions, knownUntil: bound };
    if (this.#timelines.size >= timelinesMax) forgetOldest(this.#timelines);
    this.#timelines.set(triggerRef, timeline);
    return timeline;
  }

  async #compile(triggerRef: string, versions: readonly TriggerVersion[]): Promise<CompiledRuleSet> {
    const newest = new Map<Id, TriggerVersion>();
    for (const version of versions) newest.set(version.ruleId, version);
    const draft = CompiledRuleSet.empty().draft();
    for (const version of newest.values()) {
      const rule = ruleOf(version);
      if (rule?.isEnabled !== true || rule.triggerRef !== triggerRef) continue;
      draft.put(rule);
      const pause = this.#slices.spend(ruleWork);
      if (pause !== undefined) await pause;
    }
    const finishing = draft.finish("0");
    for (;;) {
      const step = finishing.next();
      if (step.done === true) return step.value;
      const pause = this.#slices.spend(ruleWork);
      if (pause !== undefined) await pause;
    }
  }
}

function forgetOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

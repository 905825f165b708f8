import * as fc from "fast-check";
import { expect, test } from "vitest";
import { nextStamp, PredicateTable } from "../../../src/model/conditions/predicate.ts";
import { compileRule, type CompiledRule } from "../../../src/model/rules/compiled-rule.ts";
import {
  applyMerge,
  changeRules,
  findLiveRules,
  mergeLevels,
  nextMerge,
  type TriggerRules,
} from "../../../src/model/rules/trigger-rules.ts";
import { finished } from "../../support/rule-sets.ts";
import { ruleText } from "./generated-rules.ts";

/** The rules of a trigger, merged after each change as the background does, and what that cost. */
class Changing {
  readonly live = new Map<string, CompiledRule>();
  rules: TriggerRules | undefined;
  mergedCount = 0;
  readonly #predicates = new PredicateTable();
  readonly #isLive = (rule: CompiledRule): boolean => this.live.get(rule.id) === rule;

  change(ids: readonly string[], isRemoval: boolean): void {
    for (const id of ids) {
      const compiled = compileRule(ruleText({ id, ref: `r.${id}` }), this.#predicates);
      if (isRemoval) this.live.delete(id);
      else if (compiled.kind === "valid") this.live.set(id, compiled.value);
    }
    const added = isRemoval ? [] : [...new Set(ids)].flatMap((id) => this.live.get(id) ?? []);
    this.rules = finished(changeRules(this.rules, added, this.live.size, this.#isLive));
    while (this.rules !== undefined) {
      const replaced = nextMerge(this.rules);
      if (replaced.length === 0) break;
      const merge = finished(mergeLevels("t", replaced, this.#isLive));
      this.mergedCount += merge.by.rules.length;
      this.rules = applyMerge(this.rules, merge);
    }
  }

  found(): readonly string[] {
    const found: CompiledRule[] = [];
    if (this.rules !== undefined) findLiveRules(this.rules, {}, nextStamp(), found, this.#isLive);
    return [...new Set(found.map(({ id }) => id))].toSorted();
  }

  sizes(): readonly number[] {
    const { settled = [], recent } = this.rules ?? {};
    return [...settled.map(({ rules }) => rules.length), recent?.rules.length ?? 0];
  }
}

test("through any changes, levels stay few and hold no more dead rules than others, and exactly the live ones are found", () => {
  const change = fc.record({
    first: fc.nat(300),
    count: fc.integer({ min: 1, max: 150 }),
    isRemoval: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
      const changing = new Changing();
      for (const { first, count, isRemoval } of changes) {
        changing.change(
          Array.from({ length: count }, (_, n) => String(first + n)),
          isRemoval,
        );

        expect(changing.found()).toEqual([...changing.live.keys()].toSorted());
        const settled = changing.sizes().slice(0, -1);
        for (const [at, size] of settled.entries())
          expect(size).toBeGreaterThan(2 * sumOf(settled.slice(at + 1)));
        // Otherwise there is nothing to merge.
        if (settled.length > 0)
          expect(sumOf(changing.sizes()) - changing.live.size).toBeLessThanOrEqual(changing.live.size);
      }
    }),
    { numRuns: 50 },
  );
});

test("a rule is merged only a few times, however many come after it", () => {
  const changing = new Changing();
  const batches = 100;
  for (let batch = 0; batch < batches; batch += 1)
    changing.change(
      Array.from({ length: 65 }, (_, n) => String(batch * 65 + n)),
      false,
    );

  expect(changing.live.size).toBe(6_500);
  expect(changing.mergedCount / changing.live.size).toBeLessThan(2 * Math.log2(batches));
});

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

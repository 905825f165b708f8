import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { TriggerDefinition } from "../../../src/model/definitions.ts";
import { CompiledRuleSet, type RuleSetDraft } from "../../../src/model/rules/rule-set.ts";
import type { RuleText } from "../../../src/model/rules/compiled-rule.ts";
import type { EventFacts } from "../../../src/model/rules/rule-match.ts";
import { finished, ruleSetOf, tidied } from "../../support/rule-sets.ts";
import { eventFacts, events, ruleText, ruleTexts, similarPayloads, similarRules } from "./generated-rules.ts";
import { naivelyHolds } from "./naive-evaluator.ts";

// Thousands of generated rules take seconds of CPU time, and longer on a busy machine.
const timeout = 60_000;

// Goal: compiling, sharing, indexing and taking over never change what matches.
// Method: generated rules and events, in several revisions built upon each other, against the plain
// evaluator; small alphabets, so that values meet often.
test("decides exactly as the plain evaluator, through any sequence of revisions", { timeout }, () => {
  const revisions = fc.array(fc.tuple(ruleTexts, fc.array(events, { minLength: 1, maxLength: 8 })), {
    minLength: 1,
    maxLength: 3,
  });

  fc.assert(
    fc.property(revisions, (steps) => {
      let former: { set: CompiledRuleSet; rules: readonly RuleText[] } | undefined;
      for (const [rules, seen] of steps) {
        const set = ruleSetOf(rules, former);
        former = { set, rules };
        // What the plain evaluator ever finds to hold is not refused as never holding: see the events.
        for (const problem of set.problems.values()) expect(problem).toMatch(/^conditions: can never hold: /);
        for (const event of seen) expect(matchedIds(set, event)).toEqual(naiveIds(rules, event));
      }
    }),
    { numRuns: 600 },
  );
});

// Goal: wherever a rule is filed, what its place does not imply is still decided.
// Method: up to 150 rules made of eleven conditions, so that drawers and gates fill up and nest.
test("decides rules that resemble each other exactly as the plain evaluator", { timeout }, () => {
  fc.assert(
    fc.property(
      similarRules,
      fc.array(similarPayloads, { minLength: 5, maxLength: 20 }),
      (rules, payloads) => {
        const set = ruleSetOf(rules);
        for (const payload of payloads) {
          const event = eventFacts({ payload });
          expect(matchedIds(set, event)).toEqual(naiveIds(rules, event));
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("considers only the rule an event is aimed at, by id or by ref, and its conditions still count", () => {
  const set = ruleSetOf([
    ruleText({ id: "7", ref: "p.seven", conditions: [{ field: "n", operator: "equals", value: 1 }] }),
    ruleText({ id: "8", ref: "7" }),
    ruleText({ id: "9", ref: "p.nine", triggerRef: "t.two" }),
  ]);
  const aimedAt = (triggerInstanceId: string, n = 1): readonly string[] =>
    matchedIds(set, eventFacts({ triggerInstanceId, payload: { n } }));

  expect(aimedAt("rule_7")).toEqual(["7"]);
  expect(aimedAt("rule_p.seven")).toEqual(["7"]);
  expect(aimedAt("rule_7", 2)).toEqual([]);
  expect(aimedAt("rule_8")).toEqual(["8"]);
  expect(aimedAt("rule_9")).toEqual([]);
  expect(aimedAt("rule_p.unknown")).toEqual([]);
  expect(aimedAt("webhook-12")).toEqual(["7", "8"]);
});

// Pages that show the rules at different moments can show a ref twice.
test("a ref that two rules had for a moment stays with the one that still has it", () => {
  const draft = ruleSetOf([]).draft();
  draft.put(ruleText({ id: "7", ref: "p.moved" }));
  draft.put(ruleText({ id: "8", ref: "p.moved" }));
  const next = finished(draft.finish("1")).draft();

  next.remove("7");

  const aimed = eventFacts({ triggerInstanceId: "rule_p.moved" });
  expect(matchedIds(finished(next.finish("2")), aimed)).toEqual(["8"]);
});

test("matches in order of id, numerically", () => {
  const inOrder = ["2", "9", "10", "100", "9007199254740992", "9007199254740993", "9007199254740994"];
  const set = ruleSetOf(inOrder.toReversed().map((id) => ruleText({ id })));

  expect(matchedIds(set, eventFacts({}))).toEqual(inOrder);
});

test("matches many rules once each, in order of id, though each is found in several ways", () => {
  const equalities = [1, 2].map((value) => ({ field: `f${value}`, operator: "equals", value }));
  const rules = Array.from({ length: 200 }, (_, number) =>
    ruleText({
      id: `${number + 1}`,
      conditions: { any: number % 3 === 0 ? equalities.toReversed() : equalities },
    }),
  );

  const matched = matchedIds(ruleSetOf(rules), eventFacts({ payload: { f1: 1, f2: 2 } }));

  expect(matched).toEqual(rules.map(({ id }) => id));
});

test("an invalid rule is named with its problem and disturbs no other", () => {
  const set = ruleSetOf([
    ruleText({ id: "1", conditions: [{ field: "a", operator: "equal", value: 1 }] }),
    ruleText({ id: "2", actionParams: { text: "{{ event.payloat.x }}" } }),
    ruleText({ id: "3", triggerParams: [] }),
    ruleText({ id: "4" }),
    ruleText({ id: "5", triggerParams: { a: JSON.parse(`${"[".repeat(5_000)}${"]".repeat(5_000)}`) } }),
  ]);

  expect(Object.fromEntries(set.problems)).toEqual({
    "1": expect.stringContaining(
      'conditions[0].operator: "equal" is not an operator; did you mean "equals"?',
    ),
    "2": expect.stringContaining("action_params.text: "),
    "3": "trigger_params: must be an object",
    "5": "trigger_params: are nested more than 500 levels deep",
  });
  expect(set.refOf("3")).toBe(ruleText({ id: "3" }).ref);
  expect(matchedIds(set, eventFacts({ payload: { a: 1 } }))).toEqual(["4"]);
});

// Goal: however rules change, and however their levels are merged, a set is what a set of the same rules made at once is.
// Method: many small changes of rules on a few triggers, more than a recent level holds, among them refs that are swapped,
// rules that move, become unusable or are written twice; merges prepared on one set and applied to a later one. All sets
// are kept, and asked again at the end.
test("a set made of many changes is the set of the rules it has", { timeout }, () => {
  const change = fc.record({
    ids: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 60 }),
    triggerRef: fc.constantFrom("t.one", "t.two"),
    conditions: fc.constantFrom<RuleText["conditions"]>(
      null,
      { field: "a", operator: "equals", value: 1 },
      { field: "a", operator: "greater_than", value: 0 },
      { any: [] },
    ),
    deed: fc.constantFrom("put", "put twice", "remove", "swap refs"),
    merging: fc.constantFrom("none", "begin", "apply"),
  });

  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 25 }), (changes) => {
      let set = CompiledRuleSet.empty();
      let merge: ReturnType<typeof set.merging>;
      const rules = new Map<string, RuleText>();
      const seen: { readonly set: CompiledRuleSet; readonly matched: unknown }[] = [];
      for (const { ids, triggerRef, conditions, deed, merging } of changes) {
        const draft = set.draft();
        const changed = ids.flatMap((number): RuleText[] => {
          const id = `${number}`;
          const ref = rules.get(id)?.ref ?? `r.${id}`;
          const other = rules.get(`${number + 1}`);
          if (deed !== "swap refs") return [ruleText({ id, ref, triggerRef, conditions })];
          const known = rules.get(id);
          if (known === undefined || other === undefined) return [];
          const swapped = [
            { ...known, ref: other.ref },
            { ...other, ref: known.ref },
          ];
          for (const rule of swapped) rules.set(rule.id, rule);
          return swapped;
        });
        for (const rule of changed) {
          if (deed === "remove") {
            rules.delete(rule.id);
            draft.remove(rule.id);
            continue;
          }
          if (deed === "put twice") draft.put({ ...rule, conditions: null, ref: `${rule.ref}.first` });
          // The last of a rule that is swapped more than once counts.
          rules.set(rule.id, rule);
          draft.put(rule);
        }
        set = finished(draft.finish("1"));
        if (merging === "begin") merge = set.merging();
        if (merging === "apply" && merge !== undefined) {
          set = set.withMerge(finished(merge));
          merge = undefined;
        }
        seen.push({ set, matched: facts(set) });
      }

      const plain = ruleSetOf([...rules.values()]);
      expect(facts(set)).toEqual(facts(plain));
      expect(facts(tidied(set))).toEqual(facts(plain));
      for (const each of seen) expect(facts(each.set)).toEqual(each.matched);
    }),
    { numRuns: 300 },
  );
});

function facts(set: CompiledRuleSet): unknown {
  const asked = ["t.one", "t.two"].flatMap((triggerRef) => [
    eventFacts({ triggerRef, payload: { a: 1 } }),
    eventFacts({ triggerRef, payload: {} }),
    ...["7", "r.7", "r.8"].map((aim) => eventFacts({ triggerRef, triggerInstanceId: `rule_${aim}` })),
  ]);
  return {
    matched: asked.map((event) => matchedIds(set, event)),
    refs: Array.from({ length: 201 }, (_, number) => set.refOf(`${number}`)),
    problems: Object.fromEntries(set.problems),
    counts: set.counts,
  };
}

test("a set that is changed shares the compiled rules and comparisons of the others", () => {
  const regex = { field: "text", operator: "matches", value: "^[a-z]+$" };
  const first = ruleSetOf([
    ruleText({ id: "1", conditions: [regex] }),
    ruleText({ id: "2", conditions: [{ field: "a", operator: "equals", value: 1 }] }),
  ]);
  const draft = first.draft();

  draft.put(ruleText({ id: "2", conditions: [regex] }));
  draft.put(ruleText({ id: "3", conditions: { any: [regex, { any: [] }] } }));
  const second = finished(draft.finish("2"));

  expect(second.comparisonCount).toBe(1);
  expect([first.revision, second.revision]).toEqual(["1", "2"]);
  expect(matchedIds(second, eventFacts({ payload: { text: "abc" } }))).toEqual(["1", "2"]);
  expect(matchedIds(first, eventFacts({ payload: { a: 1, text: "abc" } }))).toEqual(["1", "2"]);
  expect(matchedIds(first, eventFacts({ payload: { text: "abc" } }))).toEqual(["1"]);
});

// Goal: an agent does not keep every trigger that ever existed.
test("a trigger that is gone is forgotten once no rule names it, also if it comes back", () => {
  const next = (set: CompiledRuleSet, change: (draft: RuleSetDraft) => void): CompiledRuleSet => {
    const draft = set.draft();
    change(draft);
    return finished(draft.finish("9"));
  };
  const named = next(CompiledRuleSet.empty(), (draft) => {
    draft.putTrigger("t.one", "1", undefined);
    draft.put(ruleText({ id: "7", triggerRef: "t.one" }));
  });
  expect(named.revisionOf("t.one")).toBe("1");

  const gone = next(named, (draft) => {
    draft.putTrigger("t.one", "2", undefined);
    draft.remove("7");
  });
  expect(gone.revisionOf("t.one")).toBe("0");

  const back = next(gone, (draft) => {
    draft.putTrigger("t.one", "3", undefined);
    draft.putTrigger("t.one", "4", trigger("t.one"));
  });
  expect(back.revisionOf("t.one")).toBe("4");
  expect(back.trigger("t.one")).toMatchObject({ ref: "t.one" });
});

test("records how the outermost conditions combine, and lists them", () => {
  const condition = { field: "a", operator: "equals", value: 1 };
  expect(recorded(null)).toEqual(["all", []]);
  expect(recorded({})).toEqual(["all", []]);
  expect(recorded([condition])).toEqual(["all", [condition]]);
  expect(recorded(condition)).toEqual(["all", [condition]]);
  expect(recorded({ all: [condition] })).toEqual(["all", [condition]]);
  expect(recorded({ any: [condition, condition] })).toEqual(["any", [condition, condition]]);
  expect(recorded({ not: { not: condition } })).toEqual(["all", [{ not: { not: condition } }]]);
});

function matchedIds(set: CompiledRuleSet, event: EventFacts): readonly string[] {
  return set.match(event).map(({ ruleId }) => ruleId);
}

function naiveIds(rules: readonly RuleText[], event: EventFacts): readonly string[] {
  const { triggerRef, triggerInstanceId, payload } = event;
  const considered = rules
    .filter((rule) => rule.triggerRef === triggerRef)
    .filter(
      ({ id, ref }) =>
        !triggerInstanceId?.startsWith("rule_") || [`rule_${id}`, `rule_${ref}`].includes(triggerInstanceId),
    );
  return considered
    .filter((rule) => naivelyHolds(rule.conditions, payload))
    .map(({ id }) => id)
    .toSorted((one, other) => Number(one) - Number(other));
}

/** What an enforcement says of these conditions. */
function recorded(conditions: RuleText["conditions"]): unknown {
  const [match] = ruleSetOf([ruleText({ conditions })]).match(eventFacts({ payload: { a: 1 } }));
  return [match?.condition, JSON.parse(match?.conditionsJson ?? "null")];
}

function trigger(ref: string): TriggerDefinition {
  return { id: "1", ref, label: ref, enabled: true, paramSchema: {}, outSchema: {} };
}

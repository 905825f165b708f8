import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CompiledRuleSet, type RuleRow } from "../../../src/model/rules/rule-set.ts";
import type { RuleText } from "../../../src/model/rules/compiled-rule.ts";
import type { EventFacts } from "../../../src/model/rules/rule-match.ts";
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
      let set: CompiledRuleSet | undefined;
      for (const [rules, seen] of steps) {
        set = build(rules, set);
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
        const set = build(rules);
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
  const set = build([
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

test("matches in order of id, numerically", () => {
  const set = build(["10", "9", "100", "2"].map((id) => ruleText({ id })));

  expect(matchedIds(set, eventFacts({}))).toEqual(["2", "9", "10", "100"]);
});

test("an invalid rule is named with its problem and disturbs no other", () => {
  const set = build([
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

test("decodes and compiles again only what changed", () => {
  const decoded: string[] = [];
  const decode = (row: RuleRow): RuleText => {
    decoded.push(row.id);
    return JSON.parse(row.text);
  };
  const first = finish(
    CompiledRuleSet.build({
      revision: "1",
      triggers: [],
      rules: rows([ruleText({ id: "1" }), ruleText({ id: "2" })]),
      decode,
    }),
  );
  decoded.length = 0;

  const second = finish(
    CompiledRuleSet.build(
      {
        revision: "2",
        triggers: [],
        rules: rows([
          ruleText({ id: "1" }),
          ruleText({ id: "2", conditions: { any: [] } }),
          ruleText({ id: "3" }),
        ]),
        decode,
      },
      first,
    ),
  );

  expect(decoded).toEqual(["2", "3"]);
  expect(matchedIds(second, eventFacts({}))).toEqual(["1", "3"]);
  expect(matchedIds(first, eventFacts({}))).toEqual(["1", "2"]);
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

function build(rules: readonly RuleText[], previous?: CompiledRuleSet): CompiledRuleSet {
  const byId = new Map(rules.map((rule) => [rule.id, rule]));
  const decode = ({ id }: RuleRow): RuleText => byId.get(id) ?? ruleText({ id });
  return finish(CompiledRuleSet.build({ revision: "1", triggers: [], rules: rows(rules), decode }, previous));
}

function finish(building: Generator<void, CompiledRuleSet>): CompiledRuleSet {
  for (;;) {
    const step = building.next();
    if (step.done === true) return step.value;
  }
}

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

function rows(rules: readonly RuleText[]): RuleRow[] {
  return rules.map((rule) => ({ id: rule.id, text: JSON.stringify(rule) }));
}

/** What an enforcement says of these conditions. */
function recorded(conditions: RuleText["conditions"]): unknown {
  const [match] = build([ruleText({ conditions })]).match(eventFacts({ payload: { a: 1 } }));
  return [match?.condition, match?.conditions];
}

/**
 * Typical mistakes of types, paths, case, aim and timing, each answered by the first line; and a
 * property: the explanation decides as matching does.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PredicateTable } from "../../../src/model/conditions/predicate.ts";
import { parseJson } from "../../../src/model/json/json-text.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/model/json/json.ts";
import { explainRule, verdictSentence, type ExplainableRule } from "../../../src/model/rules/explain-rule.ts";
import type { EventFacts } from "../../../src/model/rules/rule-match.ts";
import { ruleSetOf } from "../../support/rule-sets.ts";
import { events, ruleTexts } from "./generated-rules.ts";

const rule: ExplainableRule = {
  id: "7",
  ref: "demo.page",
  triggerRef: "demo.alert",
  actionId: "1",
  actionRef: "demo.call",
  conditions: null,
  triggerParams: {},
  actionParams: {},
  isEnabled: true,
};

function eventOf(payload: JsonValue): EventFacts {
  return {
    id: "1",
    triggerRef: "demo.alert",
    payload: isJsonObject(payload) ? payload : {},
    sourceRef: null,
    occurredAt: null,
    triggerInstanceId: null,
  };
}

const is = (field: string, value: JsonValue, operator = "equals"): JsonObject => ({ field, operator, value });

const cases: readonly (readonly [what: string, conditions: JsonValue, payload: string, answer: string])[] = [
  ["another value", [is("level", "critical")], '{"level":"info"}', '`level` is "info", not "critical"'],
  [
    "case of a value",
    [is("level", "critical")],
    '{"level":"Critical"}',
    '`level` is "Critical", not "critical" (they differ only in case)',
  ],
  [
    "a space at the end of a value",
    [is("level", "critical")],
    '{"level":"critical "}',
    '`level` is "critical ", not "critical" (they differ only in spaces at the ends)',
  ],
  [
    "text instead of a number",
    [is("count", 4, "greater_than")],
    '{"count":"5"}',
    '`count` is the text "5", which is never greater than the number 4 (the sensor sends the number as text; let it send a number)',
  ],
  [
    "a number instead of text",
    [is("code", "500")],
    '{"code":500}',
    '`code` is the number 500, which never equals the text "500" (they differ only in type; compare with 500)',
  ],
  [
    "text instead of true",
    [is("ok", true)],
    '{"ok":"true"}',
    '`ok` is the text "true", which never equals true (they differ only in type; compare with "true")',
  ],
  [
    "a number that is too small",
    [is("count", 4, "greater_than")],
    '{"count":4}',
    "`count` is 4, which is not greater than 4",
  ],
  [
    "a number with many digits",
    [is("id", 7, "less_than")],
    '{"id":12345678901234567890}',
    "`id` is 12345678901234567890, which is not less than 7",
  ],
  ["a missing field", [is("level", "x")], '{"kind":"y"}', "`level` is missing"],
  [
    "a field in another case",
    [is("level", "x")],
    '{"Level":"x"}',
    "`level` is missing (did you mean `Level`?)",
  ],
  [
    "a misspelt field",
    [is("hostname", "x")],
    '{"hostnmae":"x"}',
    "`hostname` is missing (did you mean `hostnmae`?)",
  ],
  [
    "another way to write a name",
    [is("userId", 1)],
    '{"user_id":1}',
    "`userId` is missing (did you mean `user_id`?)",
  ],
  [
    "a field that is deeper in the payload",
    [is("level", "x")],
    '{"alert":{"level":"x"}}',
    "`level` is missing (the payload has `alert.level`)",
  ],
  [
    "a path through text",
    [is("user.name", "x")],
    '{"user":"bob"}',
    '`user.name` is missing (`user` is the text "bob", which has no fields)',
  ],
  [
    "a path through a list",
    [is("items.name", "x")],
    '{"items":[{"name":"x"},{"name":"y"}]}',
    "`items.name` is missing (`items` is a list of 2 elements; name one of them, like `items[0].name`)",
  ],
  [
    "an index past the end",
    [is("items[3]", "x")],
    '{"items":["x"]}',
    "`items[3]` is missing (`items` has 1 element, counted from 0)",
  ],
  [
    "null instead of a value",
    [is("owner", "x")],
    '{"owner":null}',
    '`owner` is null, which never equals the text "x"',
  ],
  [
    "equals with a list",
    [is("tags", "prod")],
    '{"tags":["prod","eu"]}',
    '`tags` is a list of 2, which never equals the text "prod" (equals compares the whole list; contains looks for an element)',
  ],
  [
    "contains with another case",
    [is("message", "Error", "contains")],
    '{"message":"an error"}',
    '`message` is the text "an error", which does not contain the text "Error" (it would if case did not matter: use matches with (?i))',
  ],
  [
    "contains in a list with another type",
    [is("ports", "80", "contains")],
    '{"ports":[80,443]}',
    '`ports` is a list of 2, which does not contain the text "80" (they differ only in type; compare with 80)',
  ],
  [
    "contains in a number",
    [is("port", "8", "contains")],
    '{"port":80}',
    "`port` is the number 80, and only text and lists can contain anything",
  ],
  [
    "none of the choices",
    [is("level", ["warn", "error"], "in")],
    '{"level":"WARN"}',
    '`level` is the text "WARN", which is not one of "warn" or "error" (they differ only in case)',
  ],
  [
    "an excluded choice",
    [is("level", ["info"], "not_in")],
    '{"level":"info"}',
    '`level` is the text "info", which the condition excludes',
  ],
  [
    "a pattern of another case",
    [is("branch", "^main$", "matches")],
    '{"branch":"Main"}',
    '`branch` is "Main", which does not match ^main$ (it would if case did not matter: put (?i) in front)',
  ],
  [
    "a pattern that a line break follows",
    [is("branch", "^main$", "matches")],
    '{"branch":"main\\n"}',
    '`branch` is "main\\n", which does not match ^main$ (it would without the spaces at the ends of the text)',
  ],
  [
    "a pattern on a number",
    [is("code", "^5", "matches")],
    '{"code":500}',
    "`code` is the number 500, and only text can match ^5",
  ],
  [
    "a beginning",
    [is("ref", "refs/tags/", "starts_with")],
    '{"ref":"refs/heads/main"}',
    '`ref` is "refs/heads/main", which does not begin with "refs/tags/"',
  ],
  [
    "a field that should not be there",
    [{ field: "error", operator: "not_exists" }],
    '{"error":"x"}',
    '`error` exists: it is the text "x"',
  ],
  [
    "what a not excludes",
    [{ not: is("env", "test") }],
    '{"env":"test"}',
    '`env` is the text "test", so equals "test" holds, which the condition excludes',
  ],
];

describe("why a rule did not match", () => {
  test.each(cases)("%s", (_, conditions, payload, answer) => {
    const verdict = explainRule({ ...rule, conditions }, eventOf(parseJson(payload)));

    const place =
      isJsonObject((conditions as readonly JsonValue[])[0]) &&
      "not" in ((conditions as readonly JsonObject[])[0] ?? {})
        ? "conditions[0].not"
        : "conditions[0]";
    expect(verdictSentence(rule.ref, verdict)).toBe(`demo.page does not match: ${place}: ${answer}`);
  });

  test.each([
    [
      "aim",
      explainRule(rule, { ...eventOf({}), triggerInstanceId: "rule_demo.other" }),
      "demo.page does not match: the event is for the rule demo.other only",
    ],
    ["a disabled rule", explainRule({ ...rule, isEnabled: false }, eventOf({})), "demo.page is disabled"],
    [
      "another trigger",
      explainRule({ ...rule, triggerRef: "demo.news" }, eventOf({})),
      "demo.page does not match: it is a rule for the trigger demo.news, and the event has the trigger demo.alert",
    ],
    [
      "an invalid rule",
      explainRule({ ...rule, conditions: [is("a", 1, "equal")] }, eventOf({ a: 1 })),
      'demo.page is invalid and matches nothing: conditions[0].operator: "equal" is not an operator; did you mean "equals"? Write { "field": "a", "operator": "equals", "value": 1 }',
    ],
    [
      "several conditions",
      explainRule(
        { ...rule, conditions: [is("a", 1), is("b", 2), is("c", 3)] },
        eventOf({ a: 1, b: 0, c: 0 }),
      ),
      "demo.page does not match: conditions[1]: `b` is 0, not 2 (and 1 more condition)",
    ],
    [
      "parameters that become too long",
      explainRule(
        { ...rule, actionParams: { text: "{{ event.payload.a }}".repeat(200) } },
        eventOf({ a: "x".repeat(1_000_000) }),
      ),
      "demo.page matches, but its action cannot be told: more than 67108864 characters",
    ],
  ])("%s", (_, verdict, answer) => {
    expect(verdictSentence(rule.ref, verdict)).toBe(answer);
  });
});

test.each<readonly [JsonValue, JsonObject, string | undefined]>([
  [[is("level", "critical")], { level: "info" }, '`level` were "critical"'],
  [[is("a", 1), is("b", 2, "greater_than")], { a: 0, b: 2 }, "`a` were 1 and `b` were a number above 2"],
  [{ any: [[is("a", 1), is("b", 1)], is("c", ["x", "y"], "in")] }, { a: 0 }, '`c` were one of "x" or "y"'],
  [[{ not: is("a", 1) }], { a: 1 }, "`a` were anything but 1"],
  [
    [{ not: { all: [is("a", 1), { field: "b", operator: "exists" }] } }],
    { a: 1, b: 1 },
    "`a` were anything but 1",
  ],
  [[{ not: { all: [] } }], {}, undefined],
  [["a", "b", "c", "d", "e"].map((name) => is(name, 1)), {}, undefined],
])("what would have made %j match", (conditions, payload, counterfactual) => {
  expect(explainRule({ ...rule, conditions }, eventOf(payload))).toMatchObject({
    kind: "unmatched",
    counterfactual,
  });
});

test("an explanation decides as matching does, and always has a reason", () => {
  fc.assert(
    fc.property(ruleTexts, events, (texts, event) => {
      const matched = new Set(
        ruleSetOf(texts)
          .match(event)
          .map(({ ruleId }) => ruleId),
      );

      const predicates = new PredicateTable();
      for (const text of texts) {
        const verdict = explainRule({ ...text, isEnabled: true }, event, predicates);
        expect(verdict.kind === "matched").toBe(matched.has(text.id));
        if (verdict.kind === "unmatched")
          expect(verdictSentence(text.ref, verdict)).not.toContain("undefined");
      }
    }),
  );
});

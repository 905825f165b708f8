/** Payloads, conditions and rules that often meet: few names, few values, every form. */
import * as fc from "fast-check";
import { jsonNumber } from "../../../src/model/json/exact-number.ts";
import type { EventFacts } from "../../../src/model/rules/rule-match.ts";
import type { JsonObject, JsonValue } from "../../../src/model/json/json.ts";
import type { RuleText } from "../../../src/model/rules/compiled-rule.ts";

const names = fc.constantFrom("a", "b", "c", "length", "constructor", "__proto__", "payload", "0");
/** Some equal to each other, to plain numbers, or apart from each other only in their last digit. */
const exactNumbers = [
  "1.0",
  "1.50",
  "-0",
  "9007199254740992",
  "9007199254740993",
  "1.500000000000000000001",
].map(jsonNumber);
const numbers: readonly JsonValue[] = [0, 1, 2, -0, 1.5, ...exactNumbers];
const scalars = fc.constantFrom<JsonValue>(...numbers, "", "a", "ab", "abc", "1", true, false, null);

const jsonValues: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { arbitrary: scalars, weight: 5 },
    { arbitrary: fc.array(tie("value"), { maxLength: 3 }), weight: 1 },
    { arbitrary: fc.array(fc.tuple(names, tie("value")), { maxLength: 4 }).map(asJsonObject), weight: 1 },
  ),
})).value;

const payloads: fc.Arbitrary<JsonObject> = fc
  .array(fc.tuple(names, jsonValues), { maxLength: 6 })
  .map(asJsonObject);

const fields = fc
  .tuple(
    fc.boolean(),
    fc.constantFrom("a", "b", "c", "0", "constructor", "__proto__", "length"),
    fc.array(
      fc.oneof(
        names.map((name) => `.${name}`),
        fc.constantFrom("[0]", "[1]"),
      ),
      { maxLength: 2 },
    ),
  )
  .map(([isPrefixed, first, more]) => `${isPrefixed ? "payload." : ""}${first}${more.join("")}`);

const texts = fc.constantFrom("", "a", "b", "ab", "bc");
const patterns = fc.constantFrom("a", "^a", "b$", "^(ab|abc)$", "", "[0-9]", "(a+)+$");
const comparisons: fc.Arbitrary<JsonValue> = fc.oneof(
  comparison(["equals", "not_equals", "contains"], jsonValues),
  comparison(["equals"], scalars),
  comparison(["starts_with", "ends_with"], texts),
  comparison(
    ["greater_than", "greater_than_or_equal", "less_than", "less_than_or_equal"],
    fc.constantFrom<JsonValue>(0, 1, 1.5, 2, ...exactNumbers),
  ),
  comparison(["in", "not_in"], fc.array(jsonValues, { maxLength: 4 })),
  comparison(["in"], fc.array(scalars, { maxLength: 4 })),
  comparison(["matches"], patterns),
  comparison(["exists", "not_exists"], fc.constant(null)),
);

const trees = treesOf(comparisons);

const conditions: fc.Arbitrary<JsonValue> = fc.oneof(
  { arbitrary: trees, weight: 10 },
  { arbitrary: fc.constantFrom<JsonValue>(null, {}, []), weight: 1 },
);

/** Rules on two triggers, ids in no order. */
export const ruleTexts: fc.Arbitrary<readonly RuleText[]> = fc.uniqueArray(
  fc
    .tuple(fc.integer({ min: 1, max: 1_500 }), fc.constantFrom("t.one", "t.two"), conditions)
    .map(([number, triggerRef, generated]) =>
      ruleText({ id: `${number}`, triggerRef, conditions: generated }),
    ),
  { selector: ({ id }) => id, maxLength: 60 },
);

const alike: readonly JsonValue[] = [
  ...["a", "b", "c"].flatMap((field) => [0, 1].map((value) => ({ field, operator: "equals", value }))),
  { field: "a", operator: "in", value: [1, 2] },
  { field: "b", operator: "in", value: [0, "ab"] },
  { field: "a", operator: "greater_than", value: 0 },
  { field: "b", operator: "not_equals", value: 1 },
  { field: "c", operator: "exists" },
];

/** Many rules that say the same few things in different combinations, so that an index has to tell them apart. */
export const similarRules: fc.Arbitrary<readonly RuleText[]> = fc
  .array(treesOf(fc.constantFrom(...alike)), { minLength: 30, maxLength: 150 })
  .map((all) => all.map((generated, index) => ruleText({ id: `${index + 1}`, conditions: generated })));

export const similarPayloads: fc.Arbitrary<JsonObject> = fc.record(
  {
    a: fc.constantFrom<JsonValue>(0, 1, 2),
    b: fc.constantFrom<JsonValue>(0, 1, "ab"),
    c: fc.constantFrom<JsonValue>(0, 1, null),
  },
  { requiredKeys: [] },
);

export const events: fc.Arbitrary<EventFacts> = fc
  .tuple(payloads, fc.constantFrom("t.one", "t.two"), fc.constantFrom(null, "rule_7", "rule_r.8", "other"))
  .map(([payload, triggerRef, triggerInstanceId]) => eventFacts({ payload, triggerRef, triggerInstanceId }));

export function ruleText(parts: Partial<RuleText>): RuleText {
  const { id = "1" } = parts;
  return {
    id,
    ref: `r.${id}`,
    triggerRef: "t.one",
    actionId: null,
    actionRef: "a.one",
    conditions: null,
    triggerParams: {},
    actionParams: {},
    ...parts,
  };
}

export function eventFacts(parts: Partial<EventFacts>): EventFacts {
  return {
    id: "1",
    triggerRef: "t.one",
    payload: {},
    sourceRef: null,
    occurredAt: null,
    triggerInstanceId: null,
    ...parts,
  };
}

function treesOf(leaves: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonValue> {
  return fc.letrec<{ tree: JsonValue }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      { arbitrary: leaves, weight: 4 },
      { arbitrary: fc.array(tie("tree"), { maxLength: 3 }), weight: 2 },
      { arbitrary: fc.array(tie("tree"), { maxLength: 3 }).map((all) => ({ all })), weight: 1 },
      { arbitrary: fc.array(tie("tree"), { minLength: 1, maxLength: 3 }).map((any) => ({ any })), weight: 2 },
      { arbitrary: tie("tree").map((not) => ({ not })), weight: 1 },
    ),
  })).tree;
}

function comparison(operators: readonly string[], values: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonValue> {
  return fc.record({ field: fields, operator: fc.constantFrom(...operators), value: values });
}

/** As JSON.parse makes it: every key its own, also one called __proto__. */
function asJsonObject(members: readonly (readonly [string, JsonValue])[]): JsonObject {
  return Object.fromEntries(members);
}

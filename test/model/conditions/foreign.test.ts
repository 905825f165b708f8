import { expect, test } from "vitest";
import { compileConditions, holds } from "../../../src/model/conditions/condition.ts";
import { nextStamp, PredicateTable } from "../../../src/model/conditions/predicate.ts";
import type { JsonObject, JsonValue } from "../../../src/model/json/json.ts";

const written = (operator: string, value?: JsonValue): JsonObject =>
  value === undefined ? { field: "x", operator } : { field: "x", operator, value };

const equals = written("equals", 1);

/** Operators of StackStorm, Argo Events, json-rules-engine, Sigma, Kubernetes and MongoDB, and common guesses. */
const operators: readonly (readonly [operator: string, value: JsonValue | undefined, own: JsonValue])[] = [
  ["eq", 1, equals],
  ["==", 1, equals],
  ["equal", 1, equals],
  ["EQUALS", 1, equals],
  ["neq", 1, written("not_equals", 1)],
  ["!=", 1, written("not_equals", 1)],
  ["nequals", 1, written("not_equals", 1)],
  ["unequals", 1, written("not_equals", 1)],
  ["notEqual", 1, written("not_equals", 1)],
  ["is not", 1, written("not_equals", 1)],
  ["gt", 5, written("greater_than", 5)],
  [">", "5", written("greater_than", 5)],
  ["greaterThanInclusive", 5, written("greater_than_or_equal", 5)],
  [">=", 5, written("greater_than_or_equal", 5)],
  ["lt", 5, written("less_than", 5)],
  ["lte", [5], written("less_than_or_equal", 5)],
  ["greater_than", "90", written("greater_than", 90)],
  ["between", [1, 2], { all: [written("greater_than_or_equal", 1), written("less_than_or_equal", 2)] }],
  ["nin", [1], written("not_in", [1])],
  ["$nin", [1], written("not_in", [1])],
  ["NotIn", ["a"], written("not_in", ["a"])],
  ["not in", ["a"], written("not_in", ["a"])],
  ["inside", ["a"], written("in", ["a"])],
  ["ninside", ["a"], written("not_in", ["a"])],
  ["startswith", "a", written("starts_with", "a")],
  ["endsWith", "a", written("ends_with", "a")],
  ["not_starts_with", "a", { not: written("starts_with", "a") }],
  ["not_contains", "a", { not: written("contains", "a") }],
  ["ncontains", "a", { not: written("contains", "a") }],
  ["doesNotContain", "a", { not: written("contains", "a") }],
  ["iequals", "a.b", written("matches", String.raw`(?i)^a\.b$`)],
  ["icontains", "a", written("matches", "(?i)a")],
  ["incontains", "a", { not: written("matches", "(?i)a") }],
  ["regex", "a+", written("matches", "a+")],
  ["matchregex", "a+", written("matches", "^(?:a+)")],
  ["nmatches", "a", { not: written("matches", "a") }],
  ["matchwildcard", "a*b?", written("matches", "^a.*b.$")],
  ["matches", "*.log", written("matches", String.raw`^.*\.log$`)],
  ["exists", false, written("not_exists")],
  ["nexists", undefined, written("not_exists")],
  ["DoesNotExist", undefined, written("not_exists")],
  ["is_null", undefined, written("equals", null)],
  ["is_not_null", undefined, { all: [written("exists"), written("not_equals", null)] }],
];

test.each(operators)("the operator %s with %j: says %j", (operator, value, own) => {
  expect(suggestionFor(written(operator, value))).toEqual(own);
});

/** Conditions as others write them, each with the same condition as it is written here. */
const forms: readonly (readonly [name: string, conditions: JsonValue, own: JsonValue])[] = [
  [
    "and",
    { and: [written("eq", 1), { or: [written("gt", 5)] }] },
    { all: [equals, { any: [written("greater_than", 5)] }] },
  ],
  ["or", { OR: [equals] }, { any: [equals] }],
  ["none", { none: [equals] }, { not: { any: [equals] } }],
  ["not_all", { not_all: [equals] }, { not: { all: [equals] } }],
  [
    "none beside all",
    { all: [equals], none: [written("eq", 2)] },
    { all: [{ all: [equals] }, { not: { any: [written("equals", 2)] } }] },
  ],
  [
    "a condition with two tests",
    { field: "x", gt: 5, lt: 9 },
    { all: [written("greater_than", 5), written("less_than", 9)] },
  ],
  ["other names of the parts", { key: "x", op: "=", values: [1] }, equals],
  [
    "a query builder",
    { combinator: "and", rules: [{ id: "1", field: "x", type: "integer", operator: "=", value: 1 }] },
    { all: [equals] },
  ],
  [
    "StackStorm",
    { "trigger.x": { type: "eq", pattern: 1 }, "trigger.body.y": { type: "exists" } },
    { all: [equals, { field: "body.y", operator: "exists" }] },
  ],
  [
    "json-rules-engine",
    { fact: "x", path: "$.a.b", operator: "equal", value: 1 },
    { field: "x.a.b", operator: "equals", value: 1 },
  ],
  [
    "json-rules-engine, whole",
    { conditions: { any: [{ fact: "x", operator: "equal", value: 1 }] } },
    { any: [equals] },
  ],
  ["Argo Events, text", { path: "x", type: "string", value: ["a", "b"] }, written("matches", "a|b")],
  [
    "Argo Events, number",
    { path: "x", type: "number", comparator: ">", value: ["5"] },
    written("greater_than", 5),
  ],
  ["Kubernetes", { key: "x", operator: "In", values: ["a"] }, written("in", ["a"])],
  [
    "Sigma",
    { "User|contains": ["a", "b"], EventID: 4625 },
    {
      all: [
        {
          any: [
            { field: "User", operator: "contains", value: "a" },
            { field: "User", operator: "contains", value: "b" },
          ],
        },
        { field: "EventID", operator: "equals", value: 4625 },
      ],
    },
  ],
  ["MongoDB", { x: { $gt: 5, $lt: 9 } }, { all: [written("greater_than", 5), written("less_than", 9)] }],
  ["a mapping", { x: 1 }, equals],
  ["a mapping to choices", { x: ["a", "b"] }, written("in", ["a", "b"])],
  ["Ansible", "event.x == 1 and event.y is defined", { all: [equals, { field: "y", operator: "exists" }] }],
  [
    "Ansible, grouped",
    "not event.x == 1 or (event.x >= 2.5 and event.y not in ['a'])",
    {
      any: [
        { not: equals },
        { all: [written("greater_than_or_equal", 2.5), { field: "y", operator: "not_in", value: ["a"] }] },
      ],
    },
  ],
  ["Ansible, a list's element", "'a' in event.x", written("contains", "a")],
  ["Ansible, a search", "event.x is search('a+')", written("matches", "a+")],
  [
    "Alertmanager",
    '{x="a", y!~"b|c"}',
    { all: [written("equals", "a"), { not: { field: "y", operator: "matches", value: "^(?:b|c)$" } }] },
  ],
  ["Alertmanager without quotes", "x = a", written("equals", "a")],
];

test.each(forms)("the form of %s", (_, conditions, own) => {
  expect(suggestionFor(conditions)).toEqual(own);
});

test("a number keeps its digits in what is suggested", () => {
  expect(problemOf("event.x == 12345678901234567890")).toContain('"value": 12345678901234567890 }');
});

test.each<[JsonValue, string]>([
  [written("timediff_lt", 5), '"timediff_lt" is not an operator: conditions cannot use the current time'],
  [written("search", {}), '"search" is not an operator: no operator searches a list'],
  [written("length", 3), '"length" is not an operator: no operator counts elements'],
  [
    { "trigger.x": { type: "timediff_gt", pattern: 5 } },
    '"trigger.x" has the operator "timediff_gt": conditions cannot use the current time',
  ],
  [
    { "trigger.x": { type: "eq", pattern: "{{ system.y }}" } },
    '"trigger.x" contains the template {{ system.y }}',
  ],
  [written("nin", "{{ event.payload.y }}"), "conditions.value: contains the template {{ event.payload.y }}"],
])("%j is refused with the reason that nothing here says the same", (conditions, reason) => {
  expect(problemOf(conditions)).toContain(reason);
  expect(problemOf(conditions)).not.toContain("rite {");
});

test.each<[JsonValue]>([
  ["event.x == event.y"],
  ["hello world"],
  [{ fact: "x", operator: "in", value: { fact: "y" } }],
  [{ feild: "x", operator: "equals", value: 1 }],
  [{ field: "x", operator: "equals", value: 1, extra: 2 }],
  [{ none: [] }],
  [{ and: [{ "trigger.a.#": { type: "eq", pattern: 1 } }] }],
  [{ and: Array.from({ length: 50 }, () => written("eq", "a long text")) }],
])("nothing is suggested for %j", (conditions) => {
  expect(problemOf(conditions)).not.toContain("rite {");
});

// Goal: no hint means the opposite. Method: names made of a negation and an existing operator;
// what is suggested must not hold where the operator without the denial would.
test("a name that denies is never taken for one that does not", () => {
  const denials = [
    "n",
    "not",
    "not_",
    "not ",
    "non_",
    "no_",
    "does not ",
    "doesNot",
    "is_not_",
    "isn't ",
    "!",
    "un",
  ];
  const denied: readonly (readonly [operator: string, value: JsonValue | undefined])[] = [
    ["equals", "abc"],
    ["eq", "abc"],
    ["equal", "abc"],
    ["in", ["abc"]],
    ["contains", "b"],
    ["contain", "b"],
    ["starts_with", "a"],
    ["ends_with", "c"],
    ["matches", "b"],
    ["exists", undefined],
    ["exist", undefined],
  ];
  for (const denial of denials) {
    for (const [operator, value] of denied) {
      const name = `${denial}${operator}`;
      if (name === "not_equals" || name === "not_in" || name === "not_exists") continue;
      const own = suggestionFor(written(name, value));
      expect([name, own !== undefined && evaluate(own, { x: "abc" })]).toEqual([name, false]);
      expect([name, own !== undefined && evaluate(own, { x: 7 })]).toEqual([
        name,
        !operator.startsWith("exist"),
      ]);
    }
  }
});

test("foreign conditions of any depth are refused in bounded time", () => {
  let conditions: JsonValue = written("eq", 1);
  let value: JsonValue = "{{ x }}";
  for (let depth = 0; depth < 50_000; depth += 1) {
    conditions = { and: [conditions] };
    value = [value];
  }

  expect(problemOf(conditions)).toBe('conditions.and: is called "all" here');
  expect(problemOf({ and: [written("eq", value)] })).toBe('conditions.and: is called "all" here');
  expect(problemOf(`${"(".repeat(50_000)}x == 1`)).toContain("is not a condition");
  expect(problemOf(`${"not ".repeat(400)}x == 1`)).toContain("is not a condition");
});

function problemOf(conditions: JsonValue): string {
  const compiled = compileConditions(conditions, new PredicateTable());
  if (compiled.kind === "valid") throw new Error("is valid");
  return compiled.problem;
}

/** The condition that the problem says to write, which can be used. */
function suggestionFor(conditions: JsonValue): JsonValue | undefined {
  const text = /[wW]rite (\{ .*\})$/.exec(problemOf(conditions))?.[1];
  if (text === undefined) return undefined;
  const suggested: JsonValue = JSON.parse(text);
  expect(compileConditions(suggested, new PredicateTable()).kind).toBe("valid");
  return suggested;
}

function evaluate(conditions: JsonValue, payload: JsonObject): boolean {
  const compiled = compileConditions(conditions, new PredicateTable());
  if (compiled.kind === "invalid") throw new Error(compiled.problem);
  return holds(compiled.value.root, payload, nextStamp());
}

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compileConditions, holds, reviewConditions } from "../../../src/model/conditions/condition.ts";
import { decide, nextStamp, PredicateTable } from "../../../src/model/conditions/predicate.ts";
import type { JsonObject, JsonValue } from "../../../src/model/json/json.ts";
import type { PlacedProblem } from "../../../src/model/placed-problem.ts";

const held = { field: "a", operator: "equals", value: 1 };

const unusable: readonly (readonly [conditions: JsonValue, problem: string])[] = [
  [
    { all: [held, { field: "a", operator: "equal", value: 1 }] },
    'conditions.all[1].operator: "equal" is not an operator; did you mean "equals"? Write { "field": "a", "operator": "equals", "value": 1 }',
  ],
  [
    [{ ...held, operator: "constructor" }],
    expect.stringContaining('conditions[0].operator: "constructor" is not an operator; use one of equals, '),
  ],
  ["nonsense", 'conditions: "nonsense" is not a condition'],
  [[1], "conditions[0]: 1 is not a condition"],
  [[null], "conditions[0]: null is not a condition"],
  [[{}], "conditions[0]: is empty; leave it out"],
  [{ any: [] }, "conditions.any: is empty, so it can never hold"],
  [{ any: held }, "conditions.any: must be an array of conditions"],
  [{ all: [held], any: [held] }, 'conditions: has "any" next to "all"; put one inside the other'],
  [{ not: [{ any: [{ operator: "exists" }] }] }, "conditions.not[0].any[0].field: is missing"],
  [{ field: "a", value: 1 }, "conditions.operator: is missing"],
  [{ field: "a", operator: "equals" }, "conditions.value: is missing"],
  [{ field: 1, operator: 2 }, "conditions.field: must be text; conditions.operator: must be text"],
  [
    { ...held, vaule: 2 },
    "conditions.vaule: is not part of a condition; its parts are field, operator and value",
  ],
  [{ ...held, field: "a..b" }, 'conditions.field: "a..b" is not a path: no name can be read at character 2'],
  [
    { ...held, operator: "matches", value: "(" },
    "conditions.value: is not a regular expression: missing closing ): `(`",
  ],
  [
    { ...held, value: "{{ event.payload.b }}" },
    "conditions.value: contains the template {{ event.payload.b }}; conditions compare with constants, and templates belong in action_params",
  ],
  [
    { ...held, operator: "in", value: ["a", { deep: "{% if a %}" }] },
    expect.stringContaining("conditions.value: contains the template {% if a %};"),
  ],
  [{ ...held, operator: "matches", value: "^{{ a }}$" }, expect.stringContaining("the template {{ a }}")],
  [{ ...held, value: Infinity }, "conditions.value: is Infinity, which no payload contains"],
  [{ ...held, value: [Number.NaN] }, "conditions.value: is NaN, which no payload contains"],
  [{ ...held, field: "$.a" }, 'conditions.field: "$.a" begins with "$"; write a'],
  [Array.from({ length: 257 }, () => held), "conditions[256]: exceeds the limit of 256 comparisons"],
];

test.each(unusable)("names the problem of %j", (conditions, problem) => {
  expect(compileConditions(conditions, new PredicateTable())).toEqual({ kind: "invalid", problem });
});

test("refuses conditions nested too deep without going all the way down", () => {
  let conditions: JsonValue = held;
  for (let depth = 0; depth < 50_000; depth += 1) conditions = { not: conditions };

  expect(compileConditions(conditions, new PredicateTable())).toEqual({
    kind: "invalid",
    problem: `conditions${".not".repeat(16)}: is nested more than 16 levels deep`,
  });
});

const compared = (operator: string, value?: JsonValue, field = "a"): JsonValue =>
  value === undefined ? { field, operator } : { field, operator, value };

const contradicting: readonly (readonly [conditions: JsonValue, pair: string])[] = [
  [[compared("equals", "main"), compared("equals", "dev")], 'a equals "main" and a equals "dev"'],
  [[compared("equals", 1), compared("equals", 2, "event.payload.a")], "a equals 1 and a equals 2"],
  [{ all: [compared("in", [1, 2]), [compared("equals", 3)]] }, "a in [1,2] and a equals 3"],
  [[compared("equals", null), compared("not_equals", null)], "a equals null and a not_equals null"],
  [[compared("in", ["x", "y"]), compared("starts_with", "z")], 'a in ["x","y"] and a starts_with "z"'],
  [[compared("less_than", 5), compared("greater_than", 30)], "a less_than 5 and a greater_than 30"],
  [
    [compared("greater_than", 5), compared("less_than_or_equal", 5)],
    "a greater_than 5 and a less_than_or_equal 5",
  ],
  [[compared("starts_with", "x"), compared("starts_with", "y")], 'a starts_with "x" and a starts_with "y"'],
  [[compared("ends_with", "x"), compared("ends_with", "y")], 'a ends_with "x" and a ends_with "y"'],
  [[compared("matches", "x"), compared("less_than", 5)], 'a matches "x" and a less_than 5'],
  [[compared("exists"), compared("not_exists")], "a exists and a not_exists"],
  [[compared("not_exists"), compared("equals", 1)], "a not_exists and a equals 1"],
];

test.each(contradicting)("refuses %j, which never hold together", (conditions, pair) => {
  expect(compileConditions(conditions, new PredicateTable())).toEqual({
    kind: "invalid",
    problem: `conditions: can never hold: ${pair} exclude each other; if either is enough, put them into "any"`,
  });
});

test("refuses a required choice from nothing", () => {
  expect(compileConditions([compared("in", [])], new PredicateTable())).toEqual({
    kind: "invalid",
    problem: "conditions: can never hold: nothing is in the empty list of a in []",
  });
});

test.each<[JsonValue]>([
  [{ any: [compared("equals", 1), compared("equals", 2)] }],
  [[compared("equals", 1), { not: compared("equals", 1) }]],
  [[compared("greater_than_or_equal", 5), compared("less_than_or_equal", 5)]],
  [[compared("starts_with", "x"), compared("starts_with", "xy"), compared("ends_with", "x")]],
  [[compared("contains", "x"), compared("contains", "y"), compared("matches", "z")]],
  [[compared("not_equals", 1), compared("not_in", []), compared("not_exists")]],
  [[compared("equals", null), compared("exists")]],
  [{ any: [compared("in", []), compared("equals", 1)] }],
  [compared("matches", String.raw`\{\{ a \}\}`)],
  [compared("contains", "{{")],
])("takes %j, which may hold", (conditions) => {
  expect(compileConditions(conditions, new PredicateTable()).kind).toBe("valid");
});

test.each<[JsonValue, PlacedProblem]>([
  [
    compared("equals", 1, "paylod.a"),
    { place: ["conditions", "field"], reason: '"paylod.a" begins with "paylod"; did you mean "payload"?' },
  ],
  [
    [compared("starts_with", "")],
    { place: ["conditions", 0, "value"], reason: "is an empty string, which every string contains" },
  ],
  [
    { any: [compared("in", [])] },
    { place: ["conditions", "any", 0, "value"], reason: "is empty, so no value is in it" },
  ],
  [
    compared("matches", "/^a$/i"),
    {
      place: ["conditions", "value"],
      reason:
        "has slashes around the pattern, which match literally; remove them, and put flags in front, like (?i)",
    },
  ],
])("accepts %j and names what is doubtful about it", (conditions, doubt) => {
  expect(reviewConditions(conditions)).toMatchObject({ problems: [], doubts: [doubt] });
});

test("a path in a pattern is not a pattern in slashes", () => {
  expect(reviewConditions(compared("matches", "/var/log/")).doubts).toEqual([]);
});

test("a missing field is false for all operators but the three that deny, and never an error", () => {
  const values: Record<string, JsonValue> = {
    greater_than: 1,
    greater_than_or_equal: 1,
    less_than: 1,
    less_than_or_equal: 1,
    in: [null],
    not_in: [null],
    exists: null,
    not_exists: null,
  };
  const holding = [
    "equals",
    "not_equals",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    ...Object.keys(values),
  ].filter((operator) =>
    evaluate({ field: "missing", operator, value: operator in values ? (values[operator] ?? null) : "" }, {}),
  );

  expect(holding.toSorted()).toEqual(["not_equals", "not_exists", "not_in"]);
});

// A thousand random documents take seconds of CPU time, and longer on a busy machine.
test(
  "whatever is given as conditions is compiled or refused with a reason, and never throws",
  { timeout: 60_000 },
  () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          field: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()),
          operator: fc.oneof(fc.constantFrom("matches", "in"), fc.jsonValue()),
          value: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()),
          all: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(anything, fc.jsonValue(), (conditions, x) => {
        const compiled = compileConditions(asJson(conditions), new PredicateTable());
        if (compiled.kind === "valid")
          expect(typeof holds(compiled.value.root, { x: asJson(x) }, nextStamp())).toBe("boolean");
        else expect(compiled.problem).toMatch(/^conditions/);
      }),
      { numRuns: 1_000 },
    );
  },
);

test("a predicate is decided once per event, however many conditions share it", () => {
  const table = new PredicateTable();
  const compiled = compileConditions(
    { any: [{ not: held }, { all: [held, { ...held, field: "payload.a" }] }] },
    table,
  );
  const predicate = table.predicate({ path: ["a"], pathKey: '["a"]' }, "equals", 1);
  if (predicate.kind === "invalid" || compiled.kind === "invalid") throw new Error("unusable");
  let reads = 0;
  const payload: JsonObject = {
    get a() {
      reads += 1;
      return 1;
    },
  };

  const stamp = nextStamp();
  expect(holds(compiled.value.root, payload, stamp)).toBe(true);
  expect(decide(predicate.value, payload, stamp)).toBe(true);
  expect(reads).toBe(1);
});

function evaluate(conditions: JsonValue, payload: JsonObject): boolean {
  const compiled = compileConditions(conditions, new PredicateTable());
  if (compiled.kind === "invalid") throw new Error(compiled.problem);
  return holds(compiled.value.root, payload, nextStamp());
}

function asJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value) ?? "null");
}

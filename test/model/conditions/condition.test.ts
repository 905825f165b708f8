import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compileConditions, holds } from "../../../src/model/conditions/condition.ts";
import { decide, nextStamp, PredicateTable } from "../../../src/model/conditions/predicate.ts";
import type { JsonObject, JsonValue } from "../../../src/model/json.ts";

const held = { field: "a", operator: "equals", value: 1 };

const unusable: readonly (readonly [conditions: JsonValue, problem: string])[] = [
  [
    { all: [held, { field: "a", operator: "equal", value: 1 }] },
    'conditions.all[1].operator: "equal" is not an operator; did you mean "equals"?',
  ],
  [
    [{ ...held, operator: "constructor" }],
    expect.stringContaining('conditions[0].operator: "constructor" is not an operator; use one of equals, '),
  ],
  ["x > 1", 'conditions: "x > 1" is not a condition'],
  [[1], "conditions[0]: 1 is not a condition"],
  [[null], "conditions[0]: null is not a condition"],
  [[{}], "conditions[0]: is empty; leave it out"],
  [{ any: [] }, "conditions.any: is empty and so never holds"],
  [{ any: held }, "conditions.any: must be an array of conditions"],
  [{ all: [held], any: [held] }, 'conditions: has "any" beside "all"; put one inside the other'],
  [{ not: [{ any: [{ operator: "exists" }] }] }, "conditions.not[0].any[0].field: is missing"],
  [{ field: "a", value: 1 }, "conditions.operator: is missing"],
  [{ field: "a", operator: "equals" }, "conditions.value: is missing"],
  [{ field: 1, operator: 2 }, "conditions.field: must be text; conditions.operator: must be text"],
  [
    { ...held, vaule: 2 },
    "conditions.vaule: is not part of a condition, which has field, operator and value",
  ],
  [{ ...held, field: "a..b" }, 'conditions.field: "a..b" is not a path: no name can be read at character 2'],
  [
    { ...held, operator: "matches", value: "(" },
    "conditions.value: is not a regular expression: missing closing ): `(`",
  ],
  [Array.from({ length: 257 }, () => held), "conditions[256]: is one more than 256"],
];

test.each(unusable)("says what is wrong with %j", (conditions, problem) => {
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

test("whatever is given as conditions is compiled or refused with a reason, and never throws", () => {
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
});

test("a predicate is decided once per event, however many conditions share it", () => {
  const table = new PredicateTable();
  const compiled = compileConditions(
    { any: [{ not: held }, { all: [held, { ...held, field: "payload.a" }] }] },
    table,
  );
  const predicate = table.predicate(["a"], "equals", 1);
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

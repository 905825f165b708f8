import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { driftSentence } from "../../../src/model/schema-memory/alert.ts";
import { compareWithSchema } from "../../../src/model/schema-memory/compare-schema.ts";
import { driftText, learn, type Drift } from "../../../src/model/schema-memory/memory-drift.ts";
import {
  memoryOf,
  mergeMemories,
  type PayloadMemory,
} from "../../../src/model/schema-memory/payload-memory.ts";
import { rulesReading } from "../../../src/model/schema-memory/reading-rules.ts";
import { suggestSchema } from "../../../src/model/schema-memory/suggest-schema.ts";

const noon = Date.parse("2026-11-28T12:00:00Z");
const minuteMs = 60_000;

function of(payload: JsonObject, count: number, fromMs = noon): PayloadMemory {
  const all = Array.from({ length: count }, (_, n) => memoryOf(payload, fromMs + n));
  return all.slice(1).reduce(mergeMemories, all[0] ?? memoryOf(payload, fromMs));
}

/** Learns each in turn. */
function driftsOf(first: PayloadMemory, ...later: readonly PayloadMemory[]): readonly Drift[] {
  const drifts: Drift[] = [];
  later.reduce((memory, samples) => {
    const next = learn(memory, samples);
    drifts.push(...next.drifts);
    return next.memory;
  }, first);
  return drifts;
}

test("a field that turns from number to text is noticed once, with the time", () => {
  const text = of({ user: { id: "7" } }, 5, noon + 122 * minuteMs);
  const drifts = driftsOf(of({ user: { id: 7 } }, 30), text, text);

  expect(drifts).toEqual([
    {
      kind: "type",
      path: "user.id",
      from: ["number"],
      to: "string",
      hasTurned: true,
      sinceMs: noon + 122 * minuteMs,
    },
  ]);
  expect(drifts.map(driftText)).toEqual(["`user.id` turned from number to text at 14:02"]);
  const [drift] = drifts;
  if (drift === undefined) throw new Error("no drift");
  const concerned = { triggerRef: "demo.login", drift, rules: ["a", "b", "c"], isForbidden: true };
  expect(driftSentence(concerned)).toBe(
    "payloads of demo.login: `user.id` turned from number to text at 14:02, in 3 rules (a, b, c); the trigger's out_schema says otherwise",
  );
});

test("both types side by side are a mixture, not a turn", () => {
  const drifts = driftsOf(of({ id: 7 }, 30), mergeMemories(of({ id: 7 }, 5), of({ id: "7" }, 1)));
  expect(drifts).toMatchObject([{ path: "id", to: "string", hasTurned: false }]);
});

test("a field seen only a few times may be anything, new fields and null are no drift", () => {
  expect(driftsOf(of({ id: 7 }, 19), of({ id: "7" }, 30))).toEqual([]);
  expect(driftsOf(of({ id: 7 }, 100), of({ id: null }, 30), of({ id: 7, more: 1 }, 30))).toEqual([]);
});

test("a field that every payload had is missing after fifty without it; what was inside of it is not named", () => {
  const before = of({ state: "up", user: { id: 7, name: "x" } }, 100);
  const without = of({ state: "up" }, 30, noon + minuteMs);
  expect(driftsOf(before, without)).toEqual([]);
  expect(driftsOf(before, without, without, without)).toEqual([
    { kind: "missing", path: "user", sinceMs: noon + 99 },
  ]);
  expect(driftsOf(before, of({ state: "up", user: "x" }, 100)).map(({ path }) => path)).toEqual(["user"]);
});

test("an optional field may be absent for long", () => {
  const mixed = mergeMemories(of({ a: 1, b: 2 }, 60), of({ a: 1 }, 60));
  expect(driftsOf(mixed, of({ a: 1 }, 200))).toEqual([]);
});

test("payloads like those known are never drift, however they are split", () => {
  const payloads = fc.array(
    fc.record(
      {
        a: fc.oneof(fc.string(), fc.integer()),
        b: fc.array(fc.integer()),
        c: fc.record({ d: fc.boolean() }),
      },
      { requiredKeys: [] },
    ),
    { minLength: 20, maxLength: 40 },
  );
  fc.assert(
    fc.property(payloads, (all) => {
      const memory = all.map((each) => memoryOf(each, noon)).reduce(mergeMemories);
      const drifts = driftsOf(memory, ...all.map((each) => memoryOf(each, noon + 1)));
      expect(drifts.filter(({ kind }) => kind === "type")).toEqual([]);
    }),
  );
});

test("a type that was not seen for a month is forgotten, and its return is drift", () => {
  const monthLater = noon + 31 * 86_400_000;
  const drifts = driftsOf(
    of({ id: 7 }, 30),
    of({ id: "7" }, 30, noon + 1),
    of({ id: "7" }, 30, monthLater),
    of({ id: 7 }, 1, monthLater + 1),
  );
  expect(drifts.map((drift) => drift.kind === "type" && drift.to)).toEqual(["string", "number"]);
});

test("the rules that read a field, inside of it or around it are found, in conditions and templates", () => {
  const rules = [
    { ref: "same", conditions: [{ field: "user.id", operator: "equals", value: 7 }], actionParams: {} },
    { ref: "inside", conditions: { any: [{ field: "user.id.x", operator: "exists" }] }, actionParams: {} },
    { ref: "around", conditions: [], actionParams: { who: "{{ event.payload.user }}" } },
    {
      ref: "other",
      conditions: [{ field: "user.name", operator: "exists" }],
      actionParams: { x: "{{ event.id }}" },
    },
  ];
  expect(rulesReading("user.id", rules)).toEqual(["same", "inside", "around"]);
  const listed = [
    { ref: "listed", conditions: [{ field: "items[2].n", operator: "exists" }], actionParams: {} },
  ];
  expect(rulesReading("items[].n", listed)).toEqual(["listed"]);
});

test("payloads are compared with an out_schema: types, undeclared, missing and unseen fields", () => {
  const schema = {
    type: "object",
    properties: {
      level: { type: "string" },
      user: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
      gone: {},
    },
    required: ["level", "user"],
  };
  const memory = mergeMemories(
    of({ level: 3, user: { id: 1 }, extra: { n: 1 } }, 60),
    of({ level: "x" }, 20),
  );
  expect(compareWithSchema(memory, schema).map(({ text }) => text)).toEqual([
    "`level` is declared as text, but is number in some payloads",
    "`user` is required, but missing in 25 % of the payloads",
    "`extra` is in 75 % of the payloads and not declared",
    "`gone` is declared, but in none of 80 payloads",
  ]);
  expect(suggestSchema(memory)).toEqual({
    type: "object",
    properties: {
      extra: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
      level: { type: ["string", "integer"] },
      user: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
    },
    required: ["level"],
  });
});

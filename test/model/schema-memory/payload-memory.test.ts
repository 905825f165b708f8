/**
 * Goal: what is learned of payloads is the same in whatever order and by whichever agents it is learned, is bounded, and has no
 * secret in it. Method: fast-check chooses the payloads.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../../src/model/json/json-text.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/model/json/json.ts";
import { compareWithSchema } from "../../../src/model/schema-memory/compare-schema.ts";
import { memoryJson, parseMemory } from "../../../src/model/schema-memory/memory-json.ts";
import { childPath, stepsOf, type MemoryStep } from "../../../src/model/schema-memory/memory-path.ts";
import {
  memoryLimits,
  memoryOf,
  mergeMemories,
  type PayloadMemory,
} from "../../../src/model/schema-memory/payload-memory.ts";
import { suggestSchema } from "../../../src/model/schema-memory/suggest-schema.ts";
import { jsonTexts } from "../../support/json-texts.ts";

const names = fc.oneof(
  fc.constantFrom("id", "user", "items", "10.0.0.7", "a.b", 'quo"te', "__proto__", "[]"),
  fc.string({ maxLength: 8 }),
);
const payloads: fc.Arbitrary<JsonObject> = fc
  .letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })),
      fc.constantFrom(true, false, null),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(names, tie("value"), { maxKeys: 5 }),
    ),
  }))
  .value.map((value) => (isJsonObject(value) ? value : { value }));

function learned(all: readonly JsonObject[], atMs = 1_000): PayloadMemory {
  const [first, ...others] = all.map((payload, index) => memoryOf(payload, atMs + index));
  if (first === undefined) throw new Error("no payload");
  return others.reduce(mergeMemories, first);
}

const some = fc.array(payloads, { minLength: 1, maxLength: 6 });

test("agents that learn apart know the same as one that learns everything, in any order", () => {
  fc.assert(
    fc.property(some, some, some, (one, two, three) => {
      const together = learned([...one, ...two, ...three]);
      const apart = mergeMemories(
        learned(three, 1_000 + one.length + two.length),
        mergeMemories(learned(two, 1_000 + one.length), learned(one)),
      );
      if (together.isCut || apart.isCut) return;
      expect(sorted(apart)).toEqual(sorted(together));
    }),
  );
});

function sorted(memory: PayloadMemory): unknown {
  return { ...memory, fields: [...memory.fields].toSorted(([one], [other]) => (one < other ? -1 : 1)) };
}

test("a memory comes back from the database as it was", () => {
  fc.assert(
    fc.property(some, (all) => {
      const memory = learned(all);
      expect(parseMemory(parseJson(JSON.stringify(memoryJson(memory))))).toEqual(memory);
    }),
  );
});

test("a negative zero is known as zero, which is what JSON makes of it", () => {
  const memory = memoryOf({ n: -0 }, 1);

  expect([...memory.fields.values()].flatMap(({ examples }) => examples)).toEqual([0]);
});

test("the schema that is suggested declares everything that was seen", () => {
  fc.assert(
    fc.property(fc.array(payloads, { minLength: 1, maxLength: 30 }), (all) => {
      const memory = learned(all);
      expect(compareWithSchema(memory, suggestSchema(memory))).toEqual([]);
    }),
  );
});

test("the value of a field whose name is a secret's, or inside of one, is never kept", () => {
  const secretNames = fc.constantFrom("password", "apiKey", "Authorization", "db_credentials", "otp");
  fc.assert(
    fc.property(secretNames, payloads, payloads, (name, inside, outside) => {
      const marked = mark(inside);
      const text = JSON.stringify(memoryJson(memoryOf({ ...outside, a: { [name]: [marked] } }, 1)));
      expect(text).not.toContain("hush");
    }),
  );
});

/** With a value in place of each scalar that can be looked for. */
function mark(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((each: JsonValue) => mark(each));
  if (isJsonObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mark(each)]));
  return "hush";
}

test("texts that look like tokens, and those that the agent knows as secrets, are no examples", () => {
  const payload = {
    note: "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
    link: "https://me:hunter2@example.org/",
    word: "tiger123",
    state: "ok",
    at: "2026-11-28T12:00:00Z",
  };
  const memory = memoryOf(payload, 1, (text) => text.includes("tiger123"));
  const shown = [...memory.fields.values()].flatMap(({ examples }) => examples);
  expect(shown).toEqual(["ok", "2026-11-28T12:00:00Z"]);
});

test("a memory stays small, however large and different the payloads are", () => {
  const wide = (from: number): JsonObject =>
    Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [
        `name_${from + n}`,
        Object.fromEntries(Array.from({ length: 50 }, (_each, m) => [`x_${m}`, "v".repeat(30)])),
      ]),
    );
  const memory = learned(Array.from({ length: 100 }, (_, n) => wide(60 * n)));
  expect(memory.isCut).toBe(true);
  expect(memory.fields.size).toBeLessThanOrEqual(memoryLimits.fields);
  expect(JSON.stringify(memoryJson(memory)).length).toBeLessThan(64 * 1024);
});

test("members of a table are one field", () => {
  const memory = learned([
    { hosts: { "10.0.0.1": { up: true } } },
    { hosts: { "10.0.0.2": { up: false } } },
    { counts: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`word${n}`, n])) },
  ]);
  expect([...memory.fields.keys()].toSorted()).toEqual([
    "counts",
    "counts[*]",
    "hosts",
    "hosts[*]",
    "hosts[*].up",
  ]);
});

test("paths are read back as they were written", () => {
  const steps = fc.oneof(
    fc.constantFrom<MemoryStep>("elements", "any"),
    names.map((name): MemoryStep => ({ name })),
  );
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 6 }), (path) => {
      expect(stepsOf(path.reduce(childPath, ""))).toEqual(path);
    }),
  );
});

test("any JSON text is learned without a failure", () => {
  fc.assert(
    fc.property(jsonTexts, (text) => {
      const value = parseJson(text);
      expect(memoryOf({ value }, 1).fields.get("value")?.present).toBe(1);
    }),
  );
});

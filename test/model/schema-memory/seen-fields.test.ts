import fc from "fast-check";
import { expect, test } from "vitest";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/model/json/json.ts";
import { parseFieldPath, type FieldPath } from "../../../src/model/paths/field-path.ts";
import { memoryOf, mergeMemories } from "../../../src/model/schema-memory/payload-memory.ts";
import {
  isSeen,
  unseenField,
  unseenMin,
  type SeenFields,
} from "../../../src/model/schema-memory/seen-fields.ts";

function fieldsOf(payloads: readonly JsonObject[], samples = unseenMin): SeenFields {
  const memory = payloads.map((payload) => memoryOf(payload, 0)).reduce(mergeMemories);
  return { samples, isCut: memory.isCut, paths: [...memory.fields.keys()] };
}

function path(text: string): FieldPath {
  const parsed = parseFieldPath(text);
  if (parsed.kind === "invalid") throw new Error(parsed.problem);
  return parsed.value;
}

const push: JsonObject = {
  user: { id: 7, full_name: "Ada" },
  data: { branch: "main", after: "1f" },
  commits: [{ id: 1 }, { id: 2, author: "ada" }],
  hosts: { "10.0.0.1": { state: "up" } },
  level: "info",
};

test.each([
  ["levle", "levle", "level"],
  ["user.fullName", "user.fullName", "user.full_name"],
  ["usr.id", "usr", "user.id"],
  ["branch", "branch", "data.branch"],
  ["commits[0].autor", "commits[0].autor", "commits[0].author"],
  ["commits.author", "commits.author", "commits[0].author"],
  ["level.text", "level.text", undefined],
  // Two fields have that name.
  ["id", "id", undefined],
  ["colour", "colour", undefined],
] as const)("no payload has %s: %s is missing, %s is near", (read, missing, nearest) => {
  expect(unseenField(path(read), fieldsOf([push]))).toEqual({
    path: path(missing),
    nearest: nearest === undefined ? undefined : path(nearest),
  });
});

test.each(["user", "user.id", "commits[19].author", 'hosts["10.9.9.9"].state', "data"])(
  "payloads have %s",
  (read) => {
    expect(unseenField(path(read), fieldsOf([push]))).toBeUndefined();
  },
);

test("nothing is concluded from fewer than fifty payloads, nor if fields were left out", () => {
  const seen = fieldsOf([push], 49);

  expect(unseenField(["colour"], seen)).toBeUndefined();
  expect(unseenField(["colour"], { ...seen, samples: 50 })).toBeDefined();
  expect(unseenField(["colour"], { ...seen, samples: 50, isCut: true })).toBeUndefined();
});

function pathsIn(value: JsonValue): readonly FieldPath[] {
  if (value === null || typeof value !== "object") return [[]];
  const members: readonly (readonly [string | number, JsonValue])[] = isJsonObject(value)
    ? Object.entries(value)
    : Array.isArray(value)
      ? [...value.entries()]
      : [];
  return [[], ...members.flatMap(([name, member]) => pathsIn(member).map((rest) => [String(name), ...rest]))];
}

const value = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.integer(),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.constantFrom("a", "b.c", "10.0.0.1", "x y"), fc.string()), tie("value"), {
      maxKeys: 5,
    }),
  ),
})).value;

test("whatever the payload, every path into it is seen once it was learned", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value, { maxKeys: 5 }), (payload) => {
      const seen = fieldsOf([payload]);
      fc.pre(!seen.isCut);

      for (const each of pathsIn(payload)) expect([each, isSeen(each, seen)]).toEqual([each, true]);
    }),
  );
});

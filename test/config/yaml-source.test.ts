import fc from "fast-check";
import { expect, test } from "vitest";
import { parseYaml, type YamlProblem } from "../../src/config/yaml-source.ts";
import { jsonDepthMax } from "../../src/model/json/json-text.ts";

function valueOf(text: string): string {
  const result = parseYaml(text);
  if (result.kind === "broken") throw new Error(JSON.stringify(result.problems));
  return JSON.stringify(result.source.value);
}

function problemsOf(text: string): readonly YamlProblem[] {
  const result = parseYaml(text);
  return result.kind === "broken" ? result.problems : [];
}

test.each([
  ["12345678901234567890", "12345678901234567890"],
  ["-1001234567890123456789", "-1001234567890123456789"],
  ["1.50", "1.50"],
  ["1e400", "1e400"],
  ["0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"],
  ["+5", "5"],
  [".5", "0.5"],
  ["5.", "5"],
  ["007", "7"],
  ["-.5e3", "-0.5e3"],
  ["0x1F", "31"],
  ["0o17", "15"],
  ["0xFFFFFFFFFFFFFFFFFF", "4722366482869645213695"],
  ['!!int "12"', "12"],
  ['"1.50"', '"1.50"'],
  ["~", "null"],
  ["", "null"],
])("the value %s is %s", (written, expected) => {
  expect(valueOf(`a: ${written}`)).toBe(`{"a":${expected}}`);
  expect(valueOf(`- [${written === "" ? "~" : written}]`)).toBe(`[[${expected}]]`);
});

test("every number of JSON keeps its digits in YAML", () => {
  const numberTexts = fc.stringMatching(/^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?$/);
  fc.assert(
    fc.property(numberTexts, (number) => {
      expect(valueOf(`a: ${number}`)).toBe(`{"a":${number}}`);
    }),
    { numRuns: 1_000 },
  );
});

test("a key that is a number keeps its digits", () => {
  expect(valueOf("12345678901234567890: a\n1.50: b")).toBe('{"12345678901234567890":"a","1.50":"b"}');
});

test("a key called __proto__ is a key like any other", () => {
  expect(valueOf("__proto__: {a: 1}")).toBe('{"__proto__":{"a":1}}');
});

test.each([
  [".inf", /is an infinite number \(\.inf\), which JSON cannot represent/],
  ["-.INF", /is an infinite number \(\.inf\), which JSON cannot represent/],
  [".nan", /is not a number \(\.nan\), which JSON cannot represent/],
  ["1e1001", /more than 1000 digits/],
  ["!!binary aGk=", /binary or a timestamp/],
  ["!!timestamp 2026-01-01", /binary or a timestamp/],
  ["!!set {a, b}", /is a !!set, which JSON does not support/],
  ["!!omap [a: 1]", /is a !!omap, which JSON does not support/],
])("%s is refused at its line and path", (written, reason) => {
  expect(problemsOf(`x: 1\nconditions:\n  - value: ${written}\n`)).toEqual([
    { line: 3, path: ["conditions", 0, "value"], reason: expect.stringMatching(reason) },
  ]);
});

test("all values that cannot be used are named at once", () => {
  expect(problemsOf("a: .inf\nb: [.nan]\n").map(({ path }) => path)).toEqual([["a"], ["b", 0]]);
});

test("an alias gives the value again, and one of its own ancestor is refused", () => {
  expect(valueOf("a: &n {x: 1}\nb: *n")).toBe('{"a":{"x":1},"b":{"x":1}}');
  expect(problemsOf("a: &n\n  b: [*n]")).toEqual([
    { line: 2, path: ["a", "b", 0], reason: "contains itself" },
  ]);
});

test("aliases that stand for far too many values are refused", () => {
  const levels = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(10)}]`);

  expect(problemsOf(["l0: &l0 [x]", ...levels].join("\n"))).toMatchObject([
    { reason: expect.stringMatching(/uses aliases for more than 10000 values/) },
  ]);
});

test.each([
  ["lists in brackets", (depth: number) => `a: ${"[".repeat(depth)}${"]".repeat(depth)}`],
  ["mappings in braces", (depth: number) => `a: ${"{b: ".repeat(depth)}1${"}".repeat(depth)}`],
  ["lists on one line", (depth: number) => `a:\n  ${"- ".repeat(depth)}1`],
  [
    "indented mappings",
    (depth: number) => Array.from({ length: depth }, (_, n) => `${" ".repeat(n)}k:`).join("\n"),
  ],
])("%s nested deeper than the limit are refused, and a hundred levels are taken", (_name, nested) => {
  expect(parseYaml(nested(100)).kind).toBe("parsed");
  for (const depth of [jsonDepthMax + 1, 3_000]) {
    expect(problemsOf(nested(depth))).toMatchObject([
      { reason: `is nested more than ${jsonDepthMax} levels deep` },
    ]);
  }
});

test("brackets in texts are no nesting", () => {
  const text = "[".repeat(5_000);

  expect(valueOf(`a: "${text}"`)).toBe(`{"a":"${text}"}`);
});

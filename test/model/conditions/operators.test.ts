import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { operators, type Operator } from "../../../src/model/conditions/operators.ts";
import { compileConditions } from "../../../src/model/conditions/condition.ts";
import { holdsFor, PredicateTable } from "../../../src/model/conditions/predicate.ts";
import type { JsonValue } from "../../../src/model/json/json.ts";
import { parseJson } from "../../../src/model/json/json-text.ts";
import { parsePayloadPath } from "../../../src/model/paths/payload-path.ts";
import { compileTemplates } from "../../../src/model/templates/template.ts";
import { expressionNames } from "../../../src/model/templates/expression.ts";

const page = readFileSync(new URL("../../../docs/rules.md", import.meta.url), "utf8");

test("docs/rules.md lists exactly the operators there are, with what they take and say of a missing field", () => {
  const documented = tableRows("operator").map(([operator, value, , missing]) => [operator, value, missing]);

  const actual = Object.entries<Operator>(operators).map(([name, operator]) => [
    `\`${name}\``,
    valueTakenBy(operator),
    String(operator.holdsIfMissing),
  ]);
  expect(documented).toEqual(actual);
});

test("docs/rules.md lists exactly the names that templates know", () => {
  const documented = tableRows("name").map(([name]) => name?.replaceAll("`", ""));

  expect(new Set(documented)).toEqual(new Set(expressionNames));
});

test("docs/rules.md shows conditions of other systems as their problems do", () => {
  const rows = tableRows("system").map((cells) => cells.map((cell) => cell.replaceAll("`", "")));
  const problems = rows.map(([, there = ""]) => compileConditions(JSON.parse(there), new PredicateTable()));

  expect(rows.length).toBeGreaterThan(5);
  expect(problems).toEqual(
    rows.map(([, , here = ""]) => ({
      kind: "invalid",
      problem: expect.stringMatching(new RegExp(`[wW]rite ${RegExp.escape(here)}$`)) as unknown,
    })),
  );
});

test("docs/rules.md lists paths that are refused and how the same characters are taken literally", () => {
  const paths = (cell = ""): readonly string[] =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path);
  const rows = tableRows("path begins with or contains");
  const refused = rows.map(([cell = ""]) => /\((.*)\)$/.exec(cell)?.[1] ?? "`{{ x }}`").flatMap(paths);
  const literal = rows.flatMap(([, , cell]) => paths(cell));

  expect(refused.map((path) => [path, parsePayloadPath(path).kind])).toEqual(
    refused.map((path) => [path, "invalid"]),
  );
  expect(literal.map((path) => [path, parsePayloadPath(path).kind])).toEqual(
    literal.map((path) => [path, "valid"]),
  );
  expect(Math.min(refused.length, literal.length)).toBeGreaterThan(5);
});

test("the examples in docs/rules.md can be used as they stand", () => {
  const [conditions, actionParams] = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text]) =>
    JSON.parse(text ?? ""),
  );

  expect(compileConditions(conditions, new PredicateTable()).kind).toBe("valid");
  expect(compileTemplates(actionParams, "action_params").kind).toBe("valid");
});

const present: readonly (readonly [operator: string, field: JsonValue, value: JsonValue, holds: boolean])[] =
  [
    ["equals", 1, 1, true],
    ["equals", 1, 1.0, true],
    ["equals", 1, "1", false],
    ["equals", null, null, true],
    ["equals", false, null, false],
    ["equals", { a: [1, { b: 2 }], c: 3 }, { c: 3, a: [1, { b: 2 }] }, true],
    ["equals", { a: 1 }, { a: 1, b: 2 }, false],
    ["equals", [1, 2], [2, 1], false],
    ["equals", [], {}, false],
    ["not_equals", "a", "a", false],
    ["not_equals", "a", "A", true],
    ["contains", "haystack", "stack", true],
    ["contains", "haystack", "", true],
    ["contains", "a1", 1, false],
    ["contains", [1, { a: 1 }], { a: 1 }, true],
    ["contains", [1, [2]], 2, false],
    ["contains", { a: 1 }, "a", false],
    ["starts_with", "feature/x", "feature/", true],
    ["starts_with", ["f"], "f", false],
    ["ends_with", "a.txt", ".txt", true],
    ["ends_with", 1, "1", false],
    ["greater_than", 5, 4, true],
    ["greater_than", 4, 4, false],
    ["greater_than", "5", 4, false],
    ["greater_than", null, -1, false],
    ["greater_than_or_equal", 4, 4, true],
    ["less_than", 3.9, 4, true],
    ["less_than", true, 4, false],
    ["less_than_or_equal", 4, 4, true],
    ["less_than_or_equal", [], 4, false],
    ["in", "b", ["a", "b"], true],
    ["in", "1", [1], false],
    ["in", { a: 1 }, [{ a: 1 }], true],
    ["in", "a", [], false],
    ["in", null, [null], true],
    ["not_in", "c", ["a", "b"], true],
    ["not_in", "a", ["a"], false],
    ["matches", "release-1.2", "^release-[0-9.]+$", true],
    ["matches", "my release-1", "release", true],
    ["matches", 12, "1", false],
    ["exists", null, null, true],
    ["not_exists", null, null, false],
  ];

/** As sensors and rules write numbers: the twentieth digit counts, and trailing zeros do not. */
const numbers: readonly (readonly [operator: string, field: string, value: string, holds: boolean])[] = [
  ["equals", "2882429806056571124", "2882429806056571124", true],
  ["equals", "2882429806056571124", "2882429806056571125", false],
  ["equals", "1.50", "1.5", true],
  ["equals", "1e400", "1e401", false],
  ["equals", "[1.0]", "[1]", true],
  ["not_equals", "9007199254740993", "9007199254740992", true],
  ["in", "9007199254740993", "[9007199254740992]", false],
  ["in", "9007199254740993", "[9007199254740993]", true],
  ["in", "2", "[2.0]", true],
  ["not_in", "0.1000000000000000001", "[0.1]", true],
  ["contains", "[1, 9007199254740993]", "9007199254740992", false],
  ["contains", "[1, 9007199254740993]", "9007199254740993.0", true],
  ["greater_than", "9007199254740993", "9007199254740992", true],
  ["greater_than", "1e400", "1e300", true],
  ["greater_than", "-1e400", "1e-400", false],
  ["greater_than_or_equal", "1e-400", "0", true],
  ["less_than", "1e-400", "0.0", false],
  ["less_than", "0.1", "0.10000000000000000001", true],
  ["less_than_or_equal", "1.0", "1", true],
];

const field = { path: ["x"], pathKey: '["x"]' };

test.each(numbers)(
  "numbers are compared to their last digit: %s, %s against %s, is %s",
  (operator, seen, value, holds) => {
    const compiled = new PredicateTable().predicate(field, operatorNamed(operator), parseJson(value));

    expect(compiled.kind === "valid" && holdsFor(compiled.value, parseJson(seen))).toBe(holds);
  },
);

test.each(present)("%s: %j against %j is %s", (operator, seen, value, holds) => {
  const compiled = new PredicateTable().predicate(field, operatorNamed(operator), value);

  expect(compiled.kind === "valid" && holdsFor(compiled.value, seen)).toBe(holds);
});

const unusable: readonly (readonly [operator: string, value: JsonValue | undefined, problem: string])[] = [
  ["equals", undefined, "is missing"],
  ["starts_with", 1, "must be text"],
  ["greater_than", "4", "must be a number"],
  ["in", "abc", "must be an array"],
  ["in", Array.from({ length: 1_001 }, () => 1), "has more than 1000 elements"],
  ["matches", "(", "is not a regular expression: missing closing ): `(`"],
  ["matches", "a".repeat(1_001), "is longer than 1000 characters"],
  [
    "matches",
    "(([a-z]{10}){10}){10}[a-z]{900}(.{900}){1}|((x.){300}y){3}|((x.){300}z){3}",
    "repeats too much; make its {n,m} smaller",
  ],
  ["matches", "(?=a)", "is not a regular expression: invalid or unsupported Perl syntax: `(?=`"],
  ["exists", false, "is not used by this operator; leave it out"],
  ["equals", JSON.parse(`${"[".repeat(5_000)}${"]".repeat(5_000)}`), "is nested more than 32 levels deep"],
];

test.each(unusable)("%s refuses %j", (operator, value, problem) => {
  expect(new PredicateTable().predicate(field, operatorNamed(operator), value)).toEqual({
    kind: "invalid",
    problem,
  });
});

function operatorNamed(name: string): keyof typeof operators {
  const found = Object.keys(operators).find((known) => known === name);
  if (found === undefined) throw new Error(`no operator ${name}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return found as keyof typeof operators;
}

function valueTakenBy(operator: Operator): string {
  const accepts = (value: JsonValue | undefined): boolean => operator.compile(value).kind === "valid";
  if (accepts(undefined)) return "none";
  if (accepts([1]) && accepts("a")) return "any";
  if (accepts([1])) return "array";
  if (accepts(1)) return "number";
  return accepts("(") ? "text" : "pattern";
}

/** The rows of the table whose first column has this heading, as cells. */
function tableRows(heading: string): readonly (readonly string[])[] {
  const lines = page.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  const length = lines.slice(start).findIndex((line) => !line.startsWith("|"));
  return lines.slice(start + 2, start + length).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll(String.raw`\|`, "|")),
  );
}

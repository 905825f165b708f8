import fc from "fast-check";
import { RE2JS } from "re2js";
import { expect, test } from "vitest";
import { requiredLiteral } from "../../../src/model/texts/required-literal.ts";

test.each([
  ["disk full", "disk full"],
  ["(error|fatal): .*timeout", "timeout"],
  [String.raw`^[a-z]+\[[0-9]+\]: .*refused( again)?$`, "refused"],
  [String.raw`file\.txt`, "file.txt"],
  ["abcd+ef", "abcd"],
  ["abcd?ef", "abc"],
])("every match of %s contains %s", (source, literal) => {
  expect(requiredLiteral(source)).toBe(literal);
});

test.each([
  "timeout|refused",
  "(?i)timeout",
  "(timeout)",
  "[timeout]",
  String.raw`\x41BCD`,
  String.raw`\101BCD`,
  String.raw`\pLong`,
  String.raw`\Qa.*\Eb`,
  "a{1234}",
  "ab*c*",
])("nothing is required by %s that could be looked for", (source) => {
  expect(requiredLiteral(source)).toBeUndefined();
});

// Goal: a text that the expression matches is never passed over.
// Method: expressions of pieces that are likely to be misread, against texts of the characters in them.
test("whatever an expression matches contains the literal", () => {
  const pieces = [
    ...Array.from("abc1|()[]^$.*+?{}-:,"),
    "abc",
    "[a]",
    "[]a]",
    "[^]b]",
    "[[:alpha:]a]",
    "(a|b)",
    "a{2}",
    "|abc",
  ].concat(Array.from("dwbxQEpP1.[]\\").map((character) => `\\${character}`));
  const some = fc.array(fc.constantFrom(...pieces), { maxLength: 4 }).map((parts) => parts.join(""));
  const sources = fc.tuple(some, some).map(([before, after]) => `${before}abc${after}`);
  const texts = fc
    .array(fc.constantFrom(...Array.from("abc1.[]:"), "abc"), { maxLength: 12 })
    .map((parts) => parts.join(""));
  let found = 0;
  fc.assert(
    fc.property(sources, texts, (source, text) => {
      const literal = requiredLiteral(source);
      if (literal === undefined || !isMatch(source, text)) return;
      found += 1;
      expect(text).toContain(literal);
    }),
    { numRuns: 30_000 },
  );
  expect(found).toBeGreaterThan(100);
});

function isMatch(source: string, text: string): boolean {
  try {
    return RE2JS.compile(source).test(text);
  } catch {
    return false;
  }
}

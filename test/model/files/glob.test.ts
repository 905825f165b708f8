import { matchesGlob } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compileGlob } from "../../../src/model/files/glob.ts";
import { bytesOfName, nameOfBytes } from "../../../src/model/files/file-name.ts";

function matches(pattern: string, path: string): boolean {
  const glob = compileGlob(pattern);
  if (glob.kind === "invalid") throw new Error(glob.problem);
  return glob.value.matches(path);
}

test.each([
  ["*.csv", "a.csv", true],
  ["*.csv", "sub/deep/a.csv", true],
  ["/*.csv", "sub/a.csv", false],
  ["sub/*.csv", "sub/a.csv", true],
  ["sub/*.csv", "other/sub/a.csv", false],
  ["**/sub/*.csv", "other/sub/a.csv", true],
  ["a/**/b", "a/b", true],
  ["a/**/b", "a/x/y/b", true],
  ["a/**", "a/x/y", true],
  ["*.{csv,tar.{gz,xz}}", "x.tar.xz", true],
  ["[!a-c]?", "dz", true],
  ["[!a-c]?", "bz", false],
  ["\\*", "*", true],
  ["\\*", "x", false],
  [".*", ".hidden", true],
  ["*", ".hidden", true],
])("the pattern %s and the path %s: %s", (pattern, path, expected) => {
  expect(matches(pattern, path)).toBe(expected);
});

test.each(["", "a//b", "[a", "{a,b", "{1,2,3,4,5,6,7,8,9}{1,2,3,4,5,6,7,8,9}"])(
  "%j is no pattern",
  (pattern) => {
    expect(compileGlob(pattern).kind).toBe("invalid");
  },
);

// The oracle is Node's own, for patterns that mean the same to both.
test("patterns match what Node's patterns match", () => {
  const part = fc.constantFrom("a", "b", "*", "?", "**", "a*", "*b", "?a", "{a,b}", "[ab]");
  const name = fc.constantFrom("a", "b", "ab", "ba", "aab");
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 2, maxLength: 5 }),
      fc.array(name, { minLength: 1, maxLength: 5 }),
      (parts, names) => {
        const path = names.join("/");
        const pattern = parts.join("/");
        // `a/**` matches a itself there, not here.
        fc.pre(parts.at(-1) !== "**");
        expect([pattern, path, matches(pattern, path)]).toEqual([pattern, path, matchesGlob(path, pattern)]);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a pattern that would take others for ever is matched at once", () => {
  expect(matches(`${"*a".repeat(1_000)}b`, "a".repeat(4_000))).toBe(false);
});

test("a name of any bytes has one text, and its bytes come back", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        fc.string({ unit: "binary" }).map((text) => new TextEncoder().encode(text)),
      ),
      (given) => {
        expect([...bytesOfName(nameOfBytes(given))]).toEqual([...given]);
      },
    ),
    { numRuns: 2_000 },
  );
});

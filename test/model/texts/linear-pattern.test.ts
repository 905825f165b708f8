import fc from "fast-check";
import { RE2JS } from "re2js";
import { expect, test } from "vitest";
import { compileLinearPattern, type LinearPattern } from "../../../src/model/texts/linear-pattern.ts";
import { processorMs } from "../../support/processor-time.ts";

// Goal: no pattern can stall the agent.
// Method: patterns on which a backtracking engine takes exponential time, against texts that it would never finish; four
// times the text must take only a small multiple of the work.
test.each(["(a+)+$", "(a|aa)+$", "(.*)*x$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){50}a{50}b"])(
  "%s takes time in proportion to the text",
  (source) => {
    const pattern = compiled(source);
    const [short, long] = [`${"a".repeat(50_000)}!`, `${"a".repeat(200_000)}!`];
    pattern.test(short);

    const shortMs = fastestOf(5, () => pattern.test(short));
    const longMs = fastestOf(5, () => pattern.test(long));

    // Four times is linear, sixteen quadratic; the floor keeps noise from counting.
    expect(longMs).toBeLessThan(12 * Math.max(shortMs, 2));
  },
);

test("finds the pattern anywhere, and follows RE2's syntax", () => {
  expect(compiled("b+").test("abbc")).toBe(true);
  expect(compiled("^b").test("abbc")).toBe(false);
  expect(compiled("(?i)DISK").test("disk full")).toBe(true);
  expect(compiled("^\\p{Greek}+$").test("λόγος")).toBe(true);
  expect(compiled("^.$").test("😀")).toBe(true);
});

// Goal: the texts that are searched for a literal, with or without the engine, are answered as by the engine alone.
// Method: expressions that are nothing but a literal, or nearly, against texts that often contain it.
test("answers as RE2 does, whatever part a literal has in the expression", () => {
  const sources = fc.constantFrom(
    "abc",
    "a.c",
    "^abc",
    "abc$",
    "abc?",
    String.raw`a\.c`,
    "(abc)",
    "abc|x",
    "ab cd",
  );
  const texts = fc
    .array(fc.constantFrom("a", "b", "c", ".", "x", " ", "\n", "\ud800", "abc", "ab cd"))
    .map((parts) => parts.join(""));

  fc.assert(
    fc.property(sources, texts, (source, text) => {
      expect(compiled(source).test(text)).toBe(RE2JS.compile(source).matcher(text).find());
    }),
    { numRuns: 2_000 },
  );
});

test("answers for any text, also one that is not well-formed", () => {
  expect(compiled("a.b").test("a\ud800b")).toBe(true);
  expect(compiled("^$").test("")).toBe(true);
  expect(compiled("x").test("\u0000")).toBe(false);
});

function compiled(source: string): LinearPattern {
  const pattern = compileLinearPattern(source);
  if (pattern.kind === "invalid") throw new Error(pattern.problem);
  return pattern.value;
}

function fastestOf(times: number, work: () => void): number {
  return Math.min(...Array.from({ length: times }, () => processorMs(work)));
}

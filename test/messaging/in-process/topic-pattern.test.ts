import fc from "fast-check";
import { expect, test } from "vitest";
import { topicMatches } from "../../../src/messaging/in-process/topic-pattern.ts";
import { processorMs } from "../../support/processor-time.ts";

test.each([
  ["event.created", "event.created", true],
  ["event.created", "event.deleted", false],
  ["event.*", "event.created", true],
  ["event.*", "event", false],
  ["event.*", "event.created.late", false],
  ["event.#", "event", true],
  ["event.#", "event.created.late", true],
  ["#", "", true],
  ["#", "any.thing", true],
  ["*", "", true],
  ["#.created", "created", true],
  ["#.created", "a.created.b.created", true],
  ["#.b.#", "a.b.c", true],
  ["#.b.#", "a.c", false],
  ["*.#.c", "c", false],
  ["*.#.c", "a.c", true],
])("the pattern %j on the key %j: %j", (pattern, key, expected) => {
  expect(topicMatches(pattern, key)).toBe(expected);
});

test("a pattern matches as the equivalent regular expression does", () => {
  const word = fc.constantFrom("a", "b", "");
  const key = fc.array(word, { minLength: 1, maxLength: 6 });
  const pattern = fc.array(fc.oneof(word, fc.constantFrom("*", "#")), { minLength: 1, maxLength: 6 });

  fc.assert(
    fc.property(pattern, key, (words, keyWords) => {
      // Each word of the key ends in a dot here, so that "#" is any number of such pieces.
      const pieces = words.map((piece) =>
        piece === "#" ? "([^.]*\\.)*" : piece === "*" ? "[^.]*\\." : `${piece}\\.`,
      );
      const expected = new RegExp(`^${pieces.join("")}$`).test(keyWords.map((piece) => `${piece}.`).join(""));

      expect(topicMatches(words.join("."), keyWords.join("."))).toBe(expected);
    }),
  );
});

test("a pattern of many hashes on a long key takes no time worth mentioning", () => {
  const pattern = `${"#.a.".repeat(40)}b`;
  const key = "a.".repeat(120).slice(0, -1);
  let isMatch: boolean | undefined;
  const tookMs = processorMs(() => (isMatch = topicMatches(pattern, key)));

  expect(isMatch).toBe(false);
  expect(tookMs).toBeLessThan(100);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { onOneLine, quotedText, visibleText } from "../../../src/model/texts/quoted-text.ts";

test.each(["github/push", "72d3162e-cc78-11e3", "140.82.115.3", "größe/Ωmega", "a=1&b=2"])(
  "%j stays as it is",
  (text) => {
    expect(quotedText(text)).toBe(text);
  },
);

test.each([
  ["", '""'],
  ["a b", '"a b"'],
  ['a"b', String.raw`"a\"b"`],
  ["a\nrefused", String.raw`"a\nrefused"`],
  ["\u001b[2J", String.raw`"\u001b[2J"`],
  ["\u009b2J", String.raw`"\u009b2J"`],
  ["a\u2028b", String.raw`"a\u2028b"`],
  ["\u202egpj", String.raw`"\u202egpj"`],
  ["\u{e0041}", String.raw`"\udb40\udc41"`],
])("%j is quoted as %s", (text, quoted) => {
  expect(quotedText(text)).toBe(quoted);
});

// Goal: nothing that a stranger chooses reads as another part of the line, or as another line.
test("any text is one word without a space, or in quotes that end where the text ends", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const quoted = quotedText(text);
      expect(quoted).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      if (quoted.startsWith('"')) expect(JSON.parse(quoted)).toBe(text);
      else expect(quoted).toMatch(/^[^\s"]+$/u);
    }),
  );
});

const steering = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u;
const hostile = fc.string({
  unit: fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 3 }),
    fc.constantFrom("\n", "\r\n", "\t", " ", "\u001b[2J", "\u009b2J", "\u0085", "\u2028", "\u202e", "\u2066"),
  ),
});

test.each([
  ["exited with 1\n  no such file", "exited with 1 no such file"],
  ["a\tb\r\nc\u0085d\u2028e", "a b c d e"],
  ["a  b", "a  b"],
  ["\u001b[2J\u009b2J\u202egpj", String.raw`\u001b[2J\u009b2J\u202egpj`],
  ["größe 👩‍🚀 می‌خواهم", "größe 👩‍🚀 می‌خواهم"],
])("%j is on one line as %s", (text, line) => {
  expect(onOneLine(text)).toBe(line);
});

test("any text is on one line, which neither moves a cursor nor turns the direction", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(onOneLine(text)).not.toMatch(steering);
    }),
  );
});

test("a visible text keeps its lines, and steers nothing", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const visible = visibleText(text);

      expect(visible.replaceAll(/[\t\n]/g, "")).not.toMatch(steering);
      expect(visible.split("\n")).toHaveLength(text.split("\n").length);
      expect(visibleText(visible)).toBe(visible);
    }),
  );
});

test("JSON stays JSON of the same value when it is made visible", () => {
  fc.assert(
    fc.property(fc.dictionary(hostile, hostile), (value) => {
      expect(JSON.parse(visibleText(JSON.stringify(value, undefined, 2)))).toEqual(value);
    }),
  );
});

// Goal: a long run of blanks cannot stop the process that shows it.
// Method: a million of them, with which a quadratic search would run for minutes, into the limit of the test.
test("a text of a million blanks is shown at once", () => {
  const blanks = " ".repeat(1_000_000);

  expect(onOneLine(`a${blanks}b\u001b`)).toBe(String.raw`a${blanks}b\u001b`);
});

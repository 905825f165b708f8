import fc from "fast-check";
import { expect, test } from "vitest";
import { quotedText } from "../../../src/model/texts/quoted-text.ts";

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

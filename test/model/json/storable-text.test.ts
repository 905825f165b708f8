import fc from "fast-check";
import { expect, test } from "vitest";
import { storableText } from "../../../src/model/json/storable-text.ts";
import type { JsonValue } from "../../../src/model/json/json.ts";

test.each([
  ["a\u0000b", "NUL"],
  ["\ud800", "surrogate"],
  ["x\udc00y", "surrogate"],
])("text that the database cannot store is found: %j", (text, what) => {
  const result = storableText({ nested: [{ [text]: 1 }] });

  expect(result.kind === "unstorable" ? result.reason : "").toContain(what);
});

test("a backslash followed by letters is no escape", () => {
  expect(storableText("\\u0000 \\ud800")).toEqual({ kind: "text", text: '"\\\\u0000 \\\\ud800"' });
});

test("exactly the values without NUL and with whole surrogate pairs are storable", () => {
  const anyText = fc.string({
    unit: fc.constantFrom("a", "\\", "u0000", "\u0000", "\ud83d", "\ude00", "😀", '"'),
  });

  fc.assert(
    fc.property(anyText, (text) => {
      const isStorable = text.isWellFormed() && !text.includes("\u0000");
      expect(storableText([text] satisfies JsonValue).kind).toBe(isStorable ? "text" : "unstorable");
    }),
  );
});

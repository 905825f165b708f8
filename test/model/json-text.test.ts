import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeJson, jsonDepthMax, numberDigitsMax, parseJson } from "../../src/model/json-text.ts";

const digits = fc.stringMatching(/^[0-9]{1,25}$/);
/** Every form that RFC 8259 gives numbers. */
const numberTexts = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(fc.constant("0"), fc.stringMatching(/^[1-9][0-9]{0,24}$/)),
    fc.oneof(
      fc.constant(""),
      digits.map((text) => `.${text}`),
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant("") },
      { weight: 1, arbitrary: fc.stringMatching(/^[eE][+-]?[0-9]{1,2}$/) },
    ),
  )
  .map((parts) => parts.join(""));

const spaces = fc.constantFrom("", " ", "\n  ", "\t");
/** Texts, among them some that look like numbers that have to be kept. */
const strings = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("1.0", ": 1e5", '","12345678901234567890', "-0", "\\", '"'),
);

/** JSON texts without spaces around their parts, and the same texts with some. */
const { texts } = fc.letrec<{ texts: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    numberTexts,
    strings.map((text) => JSON.stringify(text)),
    fc.constantFrom("true", "null"),
  ),
  texts: fc.oneof(
    { maxDepth: 4 },
    tie("leaf"),
    fc.array(tie("texts"), { maxLength: 5 }).map((elements) => `[${elements.join(",")}]`),
    fc
      // Names that begin with a letter keep their order in an object.
      .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z][a-z0-9 _]{0,8}$/), tie("texts")), {
        maxLength: 5,
        selector: ([name]) => name,
      })
      .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`),
  ),
}));

describe("parseJson", () => {
  // Goal: what is read and written again is the same text, digit for digit.
  // Method: the text itself is the oracle; it has no spaces, and no names that JavaScript would reorder.
  test("a text comes back as it was", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(JSON.stringify(parseJson(text))).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  test("spaces between the parts change nothing", () => {
    fc.assert(
      fc.property(numberTexts, spaces, spaces, (number, before, behind) => {
        expect(JSON.stringify(parseJson(`{"n":${before}${number}${behind}}`))).toBe(`{"n":${number}}`);
        expect(JSON.stringify(parseJson(`${before}[1,${before}${number}${behind},2]`))).toBe(
          `[1,${number},2]`,
        );
        expect(JSON.stringify(parseJson(`${before}${number}${behind}`))).toBe(number);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a key called __proto__ is a key like any other", () => {
    expect(JSON.stringify(parseJson('{"__proto__":{"a":1.0}}'))).toBe('{"__proto__":{"a":1.0}}');
  });
});

describe("decodeJson", () => {
  test("what is not JSON is refused with the parser's reason and its place", () => {
    expect(decodeJson('{"a": NaN}')).toMatchObject({
      kind: "invalid",
      problem: expect.stringMatching(/it is not JSON: .*NaN.*/),
    });
  });

  test("a number with more digits than the database and other languages take is refused, and a shorter one is kept", () => {
    const kept = ["1e999", "1e-1000", `0.${"1".repeat(numberDigitsMax)}`, "9".repeat(numberDigitsMax)];
    const refused = [
      "1e1000",
      "1e-1001",
      `0.${"1".repeat(numberDigitsMax + 1)}`,
      "9".repeat(numberDigitsMax + 1),
      "1e99999999999999999999",
      "0e5000",
    ];

    for (const text of kept) expect(decodeJson(`[${text}]`)).toMatchObject({ kind: "valid" });
    for (const text of refused) {
      const decoded = decodeJson(`[${text}]`);
      expect(decoded).toMatchObject({ kind: "invalid" });
      if (decoded.kind === "invalid")
        expect(decoded.problem).toContain(`more than ${numberDigitsMax} digits before or behind the point`);
    }
  });

  test.each(["[]", '{"a":}'])(
    "a value nested deeper than the limit is refused, at the limit it is taken: %s",
    (form) => {
      const [open, close] = form === "[]" ? ["[", "]"] : ['{"a":', "}"];
      const nested = (depth: number): string => `${open.repeat(depth)}1${close.repeat(depth)}`;

      expect(decodeJson(nested(jsonDepthMax)).kind).toBe("valid");
      for (const depth of [jsonDepthMax + 1, 10_000, 100_000])
        expect(decodeJson(nested(depth))).toEqual({
          kind: "invalid",
          problem: `it is nested more than ${jsonDepthMax} levels deep`,
        });
    },
  );
});

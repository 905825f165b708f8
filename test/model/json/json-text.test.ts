import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeJson,
  jsonDepthMax,
  numberDigitsMax,
  parseJson,
  parseJsonTexts,
  repeatedKey,
} from "../../../src/model/json/json-text.ts";
import { jsonTexts, numberTexts } from "../../support/json-texts.ts";

const spaces = fc.constantFrom("", " ", "\n  ", "\t");
describe("parseJson", () => {
  // Goal: what is read and written again is the same text, digit for digit.
  // Method: the text itself is the oracle; it has no spaces, and no names that JavaScript would reorder.
  test("a text comes back as it was", () => {
    fc.assert(
      fc.property(jsonTexts, (text) => {
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

  test("a text of any depth is read", () => {
    for (const depth of [1_000, 20_000]) {
      const text = `${"[".repeat(depth)}1.0${"]".repeat(depth)}`;
      expect(Array.isArray(parseJson(text))).toBe(true);
    }
  });

  test("a key called __proto__ is a key like any other", () => {
    expect(JSON.stringify(parseJson('{"__proto__":{"a":1.0}}'))).toBe('{"__proto__":{"a":1.0}}');
  });
});

describe("parseJsonTexts", () => {
  test("many texts are read as each alone, with every digit", () => {
    fc.assert(
      fc.property(fc.array(jsonTexts, { maxLength: 8 }), (texts) => {
        expect(JSON.stringify(parseJsonTexts(texts))).toBe(`[${texts.join(",")}]`);
      }),
      { numRuns: 2_000 },
    );
  });

  test("one text of any depth costs the others no digit", () => {
    const deep = `${"[".repeat(20_000)}1${"]".repeat(20_000)}`;

    const [, other] = parseJsonTexts([deep, "1.50"]);
    expect(JSON.stringify(other)).toBe("1.50");
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
        expect(decoded.problem).toContain(
          `more than ${numberDigitsMax} digits before or after the decimal point`,
        );
    }
  });

  test.each(["[]", '{"a":}'])(
    "a value nested deeper than the limit is refused, at the limit it is taken: %s",
    (form) => {
      const [open, close] = form === "[]" ? ["[", "]"] : ['{"a":', "}"];
      // With a number that has to be kept, for which the parser takes another way.
      const nested = (depth: number): string => `${open.repeat(depth)}1.0${close.repeat(depth)}`;

      expect(decodeJson(nested(jsonDepthMax)).kind).toBe("valid");
      for (const depth of [jsonDepthMax + 1, 10_000, 100_000])
        expect(decodeJson(nested(depth))).toEqual({
          kind: "invalid",
          problem: `it is nested more than ${jsonDepthMax} levels deep`,
        });
    },
  );
});

test("a key that its object has twice is found, however it is written, and one in another object is not", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(repeatedKey(`{"a": {"b": 1, "a": 2}, "b": ${text}, "c": [{"b": 1}, {"b": 1}]}`)).toBeUndefined();
      expect(repeatedKey(`{"x": [${text}, {"a": ${text}, "b": 1, "\\u0061": ${text}}]}`)).toBe("a");
      expect(repeatedKey(`{"__proto__": 1, "__proto__": ${text}}`)).toBe("__proto__");
    }),
  );
  expect(repeatedKey("{")).toBeUndefined();
});

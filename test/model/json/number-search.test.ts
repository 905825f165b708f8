import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonNumber } from "../../../src/model/json/exact-number.ts";
import { hasDelicateNumber } from "../../../src/model/json/number-search.ts";
import { numberTexts } from "../../support/json-texts.ts";

const strings = fc.string({ unit: fc.constantFrom("a", '"', "\\", "1", ".", "e", "-", "0", "9", "€", "\n") });

// Goal: a number that JavaScript would change is found wherever it is.
test("a number that would be changed is found between any strings", () => {
  fc.assert(
    fc.property(numberTexts, strings, strings, (number, before, behind) => {
      fc.pre(typeof jsonNumber(number) !== "number");
      expect(hasDelicateNumber(`{${JSON.stringify(before)}:[${number}],"x":${JSON.stringify(behind)}}`)).toBe(
        true,
      );
      expect(hasDelicateNumber(number)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

// Goal: a string that looks like a number has no effect.
test("digits in strings are ignored", () => {
  fc.assert(
    fc.property(strings, fc.integer({ min: -999_999, max: 999_999 }), (string, number) => {
      const text = JSON.stringify({ [string]: [string, number, `${string}1e5`], b: "-0.10" });
      expect(hasDelicateNumber(text)).toBe(false);
    }),
    { numRuns: 5_000 },
  );
});

test.each(["1e5", "2E-3", "1.50", "-0", "-0.5", "0.0000001", "12345678901234567", "9007199254740993"])(
  "%s is looked at closely",
  (number) => expect(hasDelicateNumber(`[${number}]`)).toBe(true),
);

test.each(["0", "-1", "1.5", "0.001", "1764321777123456", "123456.789012345", "10", "100.01"])(
  "%s survives as it is",
  (number) => expect(hasDelicateNumber(`[1,${number},2]`)).toBe(false),
);

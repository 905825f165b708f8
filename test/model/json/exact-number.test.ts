import fc from "fast-check";
import { expect, test } from "vitest";
import {
  canonicalNumber,
  compareNumbers,
  ExactNumber,
  jsonNumber,
  numberKey,
  type JsonNumber,
} from "../../../src/model/json/exact-number.ts";

/** Texts of JSON numbers, many of them alike. */
const numberTexts = fc
  .record({
    minus: fc.boolean(),
    whole: fc.oneof(
      fc.constantFrom("0", "1", "10", "9007199254740993"),
      fc.bigInt({ min: 0n, max: 10n ** 30n }).map(String),
    ),
    fraction: fc.oneof(
      fc.constantFrom("", ".0", ".5", ".50", ".000"),
      fc.nat({ max: 99_999 }).map((n) => `.${n}`),
    ),
    exponent: fc.oneof(
      fc.constantFrom("", "e0", "E+2", "e-3", "e1"),
      fc.integer({ min: -40, max: 40 }).map((n) => `e${n}`),
    ),
  })
  .map(({ minus, whole, fraction, exponent }) => `${minus ? "-" : ""}${whole}${fraction}${exponent}`);

/** The number as an integer, scaled by 10^100: all of the above are then whole. */
function scaled(text: string): bigint {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const shift = 100 + Number(exponent) - fraction.length;
  return BigInt(whole + fraction) * 10n ** BigInt(shift) * (mantissa === "-0" ? 0n : 1n);
}

function signOf(value: bigint | number): number {
  return value > 0 ? 1 : value < 0 ? -1 : 0;
}

/** As the oracle reads a negative number without a whole part: BigInt("-0" + "5") loses the sign. */
function exactly(text: string): bigint {
  return text.startsWith("-") ? -scaled(text.slice(1)) : scaled(text);
}

test("numbers compare by their decimal value, however they are written", () => {
  fc.assert(
    fc.property(numberTexts, numberTexts, (one, other) => {
      const order = compareNumbers(jsonNumber(one), jsonNumber(other));

      expect(signOf(order)).toBe(signOf(exactly(one) - exactly(other)));
    }),
    { numRuns: 2_000 },
  );
});

test("two numbers have the same key, and the same canonical text, exactly if they are equal", () => {
  fc.assert(
    fc.property(numberTexts, numberTexts, (one, other) => {
      const areEqual = exactly(one) === exactly(other);
      const keyOf = (text: string): unknown =>
        new Map([[numberKey(jsonNumber(text)), 1]]).keys().next().value;

      expect(Object.is(keyOf(one), keyOf(other))).toBe(areEqual);
      expect(canonicalNumber(jsonNumber(one)) === canonicalNumber(jsonNumber(other))).toBe(areEqual);
    }),
    { numRuns: 2_000 },
  );
});

test("a number that JavaScript writes as it was written is a plain one; every other keeps its text", () => {
  const texts = [
    "1",
    "-7",
    "0.1",
    "1.5e+300",
    "1.0",
    "-0",
    "1e3",
    "9007199254740993",
    "0.10000000000000000001",
  ];

  expect(texts.map((text): JsonNumber => jsonNumber(text))).toEqual([
    1,
    -7,
    0.1,
    1.5e300,
    ...texts.slice(4).map((text) => new ExactNumber(text)),
  ]);
});

test("a number of a hundred thousand digits is compared at once", () => {
  const long = `1${"0".repeat(100_000)}1`;

  expect(compareNumbers(jsonNumber(long), jsonNumber(`${long}.0`))).toBe(0);
  expect(compareNumbers(jsonNumber(long), 1)).toBeGreaterThan(0);
});

/**
 * Numbers that JavaScript would change: integers above 2^53, long decimals, exponents, trailing zeros.
 *
 * A JSON number becomes a JavaScript number only if JavaScript writes it back with the same characters;
 * any other is kept as text. So `1` becomes a number, while `1.50`, `1e400` and `2882429806056571124`
 * become exact numbers, and every number is written out with the digits it came with.
 *
 * Comparison is by decimal value: `1.50` equals `1.5`, and two integers that differ in their twentieth
 * digit differ. A JavaScript number counts as the decimal number that it prints as.
 */

// The compiler's library does not have it yet: https://tc39.es/proposal-json-parse-with-source/
declare const JSON: { rawJSON(text: string): unknown };

export class ExactNumber {
  /** A number as JSON writes it. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** `JSON.stringify` writes the text as it is. */
  toJSON(): unknown {
    return JSON.rawJSON(this.text);
  }
}

export type JsonNumber = number | ExactNumber;

/** @param text a JSON number */
export function jsonNumber(text: string): JsonNumber {
  const number = Number(text);
  return String(number) === text ? number : new ExactNumber(text);
}

export function isJsonNumber(value: unknown): value is JsonNumber {
  return typeof value === "number" || value instanceof ExactNumber;
}

/** The nearest double, for arithmetic; undefined if there is none. */
export function nearestDouble(value: unknown): number | undefined {
  if (!isJsonNumber(value)) return undefined;
  const number = typeof value === "number" ? value : Number(value.text);
  return Number.isFinite(number) ? number : undefined;
}

/** Negative, zero or positive if the first is below, equal to or above the second. */
export function compareNumbers(one: JsonNumber, other: JsonNumber): number {
  // Doubles have the same order as the shortest decimals that denote them, so they can be compared directly.
  if (typeof one === "number" && typeof other === "number") return one === other ? 0 : one < other ? -1 : 1;
  const [mine, theirs] = [decimalOf(one), decimalOf(other)];
  if (mine.sign !== theirs.sign) return mine.sign - theirs.sign;
  return mine.sign * compareMagnitudes(mine, theirs);
}

/**
 * A map key for a number: equal exactly for numbers of equal value. A number that JavaScript can represent
 * is its own key.
 */
export function numberKey(number: JsonNumber): number | bigint {
  if (typeof number === "number") return number;
  const exact = decimalOf(number);
  const nearest = Number(number.text);
  if (Number.isFinite(nearest) && areSame(exact, decimalOf(nearest))) return nearest;
  return BigInt.asUintN(64, BigInt(exact.magnitude)) + ((BigInt(exact.digits) * BigInt(exact.sign)) << 64n);
}

/** The shortest text of its value: the same for `1.50`, `15e-1` and `1.5`. */
export function canonicalNumber(number: JsonNumber): string {
  const key = numberKey(number);
  if (typeof key === "number") return String(key === 0 ? 0 : key);
  const { sign, digits, magnitude } = decimalOf(number);
  return `${sign < 0 ? "-" : ""}0.${digits}e${magnitude}`;
}

/** sign × 0.digits × 10^magnitude; zero has the sign 0 and no digits. */
interface Decimal {
  readonly sign: -1 | 0 | 1;
  /** Neither the first nor the last is 0. */
  readonly digits: string;
  readonly magnitude: number;
}

const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const zero: Decimal = { sign: 0, digits: "", magnitude: 0 };

function decimalOf(number: JsonNumber): Decimal {
  const [, minus, whole = "", fraction = "", exponent = "0"] =
    parts.exec(typeof number === "number" ? String(number) : number.text) ?? [];
  const all = whole + fraction;
  const first = all.search(/[1-9]/);
  if (first === -1) return zero;
  return {
    sign: minus === "-" ? -1 : 1,
    digits: all.slice(first, lastDigitOtherThanZero(all) + 1),
    magnitude: whole.length - first + Number(exponent),
  };
}

// A pattern for trailing zeros would backtrack at every run of zeros within the digits.
function lastDigitOtherThanZero(digits: string): number {
  let last = digits.length - 1;
  while (digits.charCodeAt(last) === 0x30) last -= 1;
  return last;
}

function compareMagnitudes(one: Decimal, other: Decimal): number {
  if (one.magnitude !== other.magnitude) return one.magnitude - other.magnitude;
  // Digits after the decimal point compare like text, because missing ones are zeros.
  return one.digits === other.digits ? 0 : one.digits < other.digits ? -1 : 1;
}

function areSame(one: Decimal, other: Decimal): boolean {
  return one.sign === other.sign && compareMagnitudes(one, other) === 0;
}

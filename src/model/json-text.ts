/**
 * JSON text into values, with every digit of its numbers.
 *
 * `JSON.parse` turns numbers into doubles and so changes some of them. It can hand each number's source
 * to a callback, which is several times slower. So the text is first searched for numbers that might not
 * survive; almost no text has one.
 */
import { invalid, valid, type Decoded } from "./decoded.ts";
import { jsonNumber } from "./exact-number.ts";
import type { JsonValue } from "./json.ts";
import { isAtMostDeep } from "./json-equality.ts";

/**
 * How deep arrays and objects may lie in each other in payloads, checkpoints, configs and YAML files.
 * Consumers in other languages fail at about a thousand, and a message adds levels of its own.
 */
export const jsonDepthMax = 500;

/**
 * Digits of a number that is written out without an exponent, before and behind the point. The database
 * writes numbers out, and other languages stop reading integers at some 4,000 digits.
 */
export const numberDigitsMax = 1_000;

/**
 * Finds every number that JavaScript may write otherwise: with an exponent, a trailing zero behind the
 * point, 16 or more characters, many zeros behind the point, or a minus before a zero. The first pattern
 * is fast and also finds words in text; the second knows where a number can begin.
 */
const maybeSuspicious = /\d(?:[eE]|[\d.]{15})|\.\d*0|-0/;
const suspicious = /(?:[:,[\s]|^)-?(?:\d[\d.]{15}|\d+(?:\.\d*)?[eE]|\d+\.(?:\d*0(?!\d)|000000)|(?<=-)0)/;

/**
 * As `JSON.parse`, but a number that JavaScript cannot write back is an ExactNumber.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): JsonValue {
  if (!isSuspicious(text)) return plainValue(text);
  try {
    return exactValue(text, jsonNumber);
  } catch (error) {
    // Calling back is recursive, and ends at a few thousand levels. Such a value can only have been
    // written to the database by hand, and wherever it is used its depth is refused.
    if (error instanceof RangeError) return plainValue(text);
    throw error;
  }
}

/** The value, or what is wrong with the text, in a clause for people. */
export function decodeJson(text: string): Decoded<JsonValue> {
  try {
    const value = plainValue(text);
    // A text that short cannot be too deep.
    if (text.length > jsonDepthMax && !isAtMostDeep(value, jsonDepthMax))
      return invalid(`it is nested more than ${jsonDepthMax} levels deep`);
    return valid(isSuspicious(text) ? exactValue(text, boundedNumber) : value);
  } catch (error) {
    if (error instanceof SyntaxError) return invalid(`it is not JSON: ${error.message}`);
    if (error instanceof NumberTooLongError) return invalid(error.message);
    throw error;
  }
}

function isSuspicious(text: string): boolean {
  return maybeSuspicious.test(text) && suspicious.test(text);
}

class NumberTooLongError extends Error {
  override readonly name = "NumberTooLongError";
}

function boundedNumber(source: string): JsonValue {
  if (!isWithinDigits(source)) {
    const shown = source.length > 40 ? `${source.slice(0, 40)}…` : source;
    throw new NumberTooLongError(
      `the number ${shown} has more than ${numberDigitsMax} digits before or behind the point`,
    );
  }
  return jsonNumber(source);
}

/** Whether a JSON number, written out without an exponent, stays within `numberDigitsMax` on either side of the point. */
export function isWithinDigits(source: string): boolean {
  if (source.length < numberDigitsMax && !/[eE]/.test(source)) return true;
  const [mantissa = "", exponentText = "0"] = source.split(/[eE]/);
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const exponent = Number(exponentText);
  return whole.length + exponent <= numberDigitsMax && fraction.length - exponent <= numberDigitsMax;
}

function plainValue(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text);
  return value;
}

interface ReviverContext {
  /** Only of values that are neither array nor object. */
  readonly source?: string;
}

type Reviver = (key: string, value: unknown, context: ReviverContext) => unknown;

function exactValue(text: string, number: (source: string) => JsonValue): JsonValue {
  const revive: Reviver = (_key, value, { source }) =>
    typeof value === "number" && source !== undefined && String(value) !== source ? number(source) : value;
  // The compiler's library does not know the third argument of a reviver yet.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const value: JsonValue = JSON.parse(text, revive as (key: string, value: unknown) => unknown);
  return value;
}

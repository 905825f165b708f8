/**
 * The operators of conditions: what value each takes, when it holds, and its result for a missing field.
 * A test compares the table in docs/rules.md with this file.
 *
 * No types are converted: `"5"` is not greater than 4. If the field has a type that the operator does not
 * apply to, the operator is false (its negation true), never an error.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { compareNumbers, isJsonNumber } from "../json/exact-number.ts";
import { isJsonArray, isJsonScalar, lookupKey, type JsonValue } from "../json/json.ts";
import { areEqual } from "../json/equality.ts";
import { compileLinearPattern } from "../texts/linear-pattern.ts";

export type Test = (value: JsonValue) => boolean;

export interface Operator {
  /** Builds the test for a present field, or returns what is wrong with the condition's value. */
  readonly compile: (operand: JsonValue | undefined) => Decoded<Test>;
  readonly holdsIfMissing: boolean;
  /** Relative cost of a test: among conditions that must all hold, cheap ones go first. */
  readonly cost: number;
}

const choicesMax = 1_000;

const equals = whenHeld(1, (operand) => compileValue(operand, (expected) => equalTo(expected)));
const oneOf = whenHeld(2, (operand) =>
  compileValue(operand, (choices) => {
    if (!isJsonArray(choices)) return invalid("must be an array");
    if (choices.length > choicesMax) return invalid(`has more than ${choicesMax} elements`);
    return valid(amongst(choices));
  }),
);
const exists = whenHeld(0, (operand) =>
  operand === undefined || operand === null || operand === true
    ? valid(() => true)
    : invalid("is not used by this operator; leave it out"),
);

export const operators = {
  equals,
  not_equals: negated(equals),
  contains: whenHeld(3, (operand) => compileValue(operand, (part) => valid(containing(part)))),
  starts_with: whenHeld(1, (operand) => compileText(operand, (text, start) => text.startsWith(start))),
  ends_with: whenHeld(1, (operand) => compileText(operand, (text, end) => text.endsWith(end))),
  greater_than: whenHeld(1, (operand) => compileNumber(operand, (order) => order > 0)),
  greater_than_or_equal: whenHeld(1, (operand) => compileNumber(operand, (order) => order >= 0)),
  less_than: whenHeld(1, (operand) => compileNumber(operand, (order) => order < 0)),
  less_than_or_equal: whenHeld(1, (operand) => compileNumber(operand, (order) => order <= 0)),
  in: oneOf,
  not_in: negated(oneOf),
  matches: whenHeld(10, compileMatches),
  exists,
  not_exists: negated(exists),
} as const satisfies Readonly<Record<string, Operator>>;

export type OperatorName = keyof typeof operators;

export function isOperatorName(name: string): name is OperatorName {
  return Object.hasOwn(operators, name);
}

function whenHeld(cost: number, compile: Operator["compile"]): Operator {
  return { compile, cost, holdsIfMissing: false };
}

function negated({ compile, cost }: Operator): Operator {
  return {
    compile(operand) {
      const compiled = compile(operand);
      if (compiled.kind === "invalid") return compiled;
      const test = compiled.value;
      return valid((value) => !test(value));
    },
    cost,
    holdsIfMissing: true,
  };
}

function compileValue(
  operand: JsonValue | undefined,
  compile: (operand: JsonValue) => Decoded<Test>,
): Decoded<Test> {
  return operand === undefined ? invalid("is missing") : compile(operand);
}

function compileText(
  operand: JsonValue | undefined,
  test: (text: string, operand: string) => boolean,
): Decoded<Test> {
  if (typeof operand !== "string") return invalid(operand === undefined ? "is missing" : "must be text");
  return valid((value) => typeof value === "string" && test(value, operand));
}

function compileNumber(operand: JsonValue | undefined, test: (order: number) => boolean): Decoded<Test> {
  if (!isJsonNumber(operand)) return invalid(operand === undefined ? "is missing" : "must be a number");
  return valid((value) => isJsonNumber(value) && test(compareNumbers(value, operand)));
}

function compileMatches(operand: JsonValue | undefined): Decoded<Test> {
  if (typeof operand !== "string") return invalid(operand === undefined ? "is missing" : "must be text");
  const pattern = compileLinearPattern(operand);
  if (pattern.kind === "invalid") return pattern;
  return valid((value) => typeof value === "string" && pattern.value.test(value));
}

function equalTo(expected: JsonValue): Decoded<Test> {
  return valid((value) => areEqual(value, expected));
}

function amongst(choices: readonly JsonValue[]): Test {
  const scalars = new Set(choices.filter(isJsonScalar).map(lookupKey));
  const structures = choices.filter((choice) => !isJsonScalar(choice));
  return (value) =>
    isJsonScalar(value)
      ? scalars.has(lookupKey(value))
      : structures.some((choice) => areEqual(choice, value));
}

function containing(part: JsonValue): Test {
  return (value) => {
    if (typeof value === "string") return typeof part === "string" && value.includes(part);
    return isJsonArray(value) && value.some((element) => areEqual(element, part));
  };
}

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

/**
 * Decides a present field's value. It gets the condition's value again, so that most operators need no closure for each
 * condition: with 100,000 rules those would take 10 MB.
 */
export type Test = (value: JsonValue, operand: JsonValue | undefined) => boolean;

export interface Operator {
  /** The test for a present field, or what is wrong with the condition's value. */
  readonly compile: (operand: JsonValue | undefined) => Decoded<Test>;
  readonly holdsIfMissing: boolean;
  /** Relative cost of a test: among conditions that must all hold, cheap ones go first. */
  readonly cost: number;
}

const choicesMax = 1_000;

const equalsTest: Test = (value, operand) => operand !== undefined && areEqual(value, operand);
const equals = whenHeld(1, (operand) => withValue(operand, equalsTest));
const oneOf = whenHeld(2, (operand) => {
  if (!isJsonArray(operand)) return invalid(operand === undefined ? "is missing" : "must be an array");
  if (operand.length > choicesMax) return invalid(`has more than ${choicesMax} elements`);
  return valid(amongst(operand));
});
const exists = whenHeld(0, (operand) =>
  operand === undefined || operand === null || operand === true
    ? valid(always)
    : invalid("is not used by this operator; leave it out"),
);

export const operators = {
  equals,
  not_equals: negated(equals),
  contains: whenHeld(3, (operand) => withValue(operand, contains)),
  starts_with: forText((text, start) => text.startsWith(start)),
  ends_with: forText((text, end) => text.endsWith(end)),
  greater_than: forNumbers((order) => order > 0),
  greater_than_or_equal: forNumbers((order) => order >= 0),
  less_than: forNumbers((order) => order < 0),
  less_than_or_equal: forNumbers((order) => order <= 0),
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
  const negations = new WeakMap<Test, Test>();
  return {
    compile(operand) {
      const compiled = compile(operand);
      if (compiled.kind === "invalid") return compiled;
      const test = compiled.value;
      return valid(negations.getOrInsertComputed(test, () => (value, each) => !test(value, each)));
    },
    cost,
    holdsIfMissing: true,
  };
}

function always(): boolean {
  return true;
}

function withValue(operand: JsonValue | undefined, test: Test): Decoded<Test> {
  return operand === undefined ? invalid("is missing") : valid(test);
}

function forText(holds: (text: string, operand: string) => boolean): Operator {
  const test: Test = (value, operand) =>
    typeof value === "string" && typeof operand === "string" && holds(value, operand);
  return whenHeld(1, (operand) => {
    if (typeof operand !== "string") return invalid(operand === undefined ? "is missing" : "must be text");
    return valid(test);
  });
}

function forNumbers(holds: (order: number) => boolean): Operator {
  const test: Test = (value, operand) =>
    isJsonNumber(value) && isJsonNumber(operand) && holds(compareNumbers(value, operand));
  return whenHeld(1, (operand) => {
    if (!isJsonNumber(operand)) return invalid(operand === undefined ? "is missing" : "must be a number");
    return valid(test);
  });
}

function compileMatches(operand: JsonValue | undefined): Decoded<Test> {
  if (typeof operand !== "string") return invalid(operand === undefined ? "is missing" : "must be text");
  const pattern = compileLinearPattern(operand);
  if (pattern.kind === "invalid") return pattern;
  return valid((value) => typeof value === "string" && pattern.value.test(value));
}

function amongst(choices: readonly JsonValue[]): Test {
  const scalars = new Set(choices.filter(isJsonScalar).map(lookupKey));
  const structures = choices.filter((choice) => !isJsonScalar(choice));
  return (value) =>
    isJsonScalar(value)
      ? scalars.has(lookupKey(value))
      : structures.some((choice) => areEqual(choice, value));
}

function contains(value: JsonValue, part: JsonValue | undefined): boolean {
  if (part === undefined) return false;
  if (typeof value === "string") return typeof part === "string" && value.includes(part);
  return isJsonArray(value) && value.some((element) => areEqual(element, part));
}

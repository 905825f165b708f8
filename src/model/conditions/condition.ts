/**
 * Conditions as rules store them, compiled into a tree of predicates.
 *
 * | form                                   | holds when                     |
 * | -------------------------------------- | ------------------------------ |
 * | null, {} or [] (outermost only)        | always                         |
 * | [c, …] or {"all": [c, …]}              | every one of them holds        |
 * | {"any": [c, …]}                        | at least one of them holds     |
 * | {"not": c}                             | c does not hold                |
 * | {"field": …, "operator": …, "value": …} | the field passes the operator's test |
 *
 * Anything else is reported as a problem with its path, as are conditions that can never hold (an empty
 * `any`, outermost conditions that contradict each other) and an inner `{}`, which would silently hold for
 * every event. For a condition in another system's syntax, the problem suggests the equivalent here.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { describePlaced, type Place, type PlacedProblem } from "../placed-problem.ts";
import { contradiction } from "./contradiction.ts";
import { foreignForm, operatorProblem, suggestion } from "./foreign/hints.ts";
import { operandDoubt, operandProblem } from "./operand.ts";
import { isOperatorName, type OperatorName } from "./operators.ts";
import { decide, PredicateTable, type KnownField, type Predicate, type Stamp } from "./predicate.ts";

export type ConditionNode =
  | Predicate
  | { readonly kind: "all" | "any"; readonly parts: readonly ConditionNode[] }
  | { readonly kind: "not"; readonly part: ConditionNode };

export interface Conditions {
  readonly root: ConditionNode;
  /** The outermost conditions as a JSON array, as an enforcement records them: any of them must hold if the root is an `any`. */
  readonly listedJson: string;
  /** Valid conditions that are probably not what their author meant. */
  readonly doubts: readonly PlacedProblem[];
}

const nestingMax = 16;
const predicatesMax = 256;

const always: ConditionNode = { kind: "all", parts: [] };
const noDoubts: readonly PlacedProblem[] = [];

export function compileConditions(conditions: JsonValue, predicates: PredicateTable): Decoded<Conditions> {
  const { root, problems, doubts } = readConditions(conditions, predicates, isUsable);
  if (problems.length > 0) return invalid(describePlaced(problems));
  const listedJson = JSON.stringify(outermostConditions(conditions));
  return valid({ root, listedJson, doubts: doubts.length === 0 ? noDoubts : doubts });
}

export interface ConditionReview extends Pick<Conditions, "doubts"> {
  readonly problems: readonly PlacedProblem[];
}

/** Every problem in the conditions, and everything doubtful about them. */
export function reviewConditions(conditions: JsonValue): ConditionReview {
  return readConditions(conditions, new PredicateTable(), isUsable);
}

function isUsable(condition: JsonValue): boolean {
  // A trial read must not produce suggestions of its own.
  return readConditions(condition, new PredicateTable(), () => false).problems.length === 0;
}

function readConditions(
  conditions: JsonValue,
  predicates: PredicateTable,
  isSuggestible: Reading["isSuggestible"],
): Reading & { readonly root: ConditionNode } {
  const reading: Reading = { predicates, predicateCount: 0, problems: [], doubts: [], isSuggestible };
  const isEmpty = conditions === null || (isJsonObject(conditions) && Object.keys(conditions).length === 0);
  const root = isEmpty ? always : compileNode(conditions, ["conditions"], 1, reading);
  const contradicting = reading.problems.length > 0 ? undefined : contradiction(required(root));
  if (contradicting !== undefined) refuse(reading, ["conditions"], contradicting);
  return { ...reading, root };
}

/** The predicates that hold whenever the conditions do. */
function required(node: ConditionNode): readonly Predicate[] {
  if (node.kind === "predicate") return [node];
  return node.kind === "all" ? node.parts.flatMap(required) : [];
}

/** Whether the conditions hold for this payload. */
export function holds(node: ConditionNode, payload: JsonObject, stamp: Stamp): boolean {
  switch (node.kind) {
    case "predicate":
      return decide(node, payload, stamp);
    case "all":
      return node.parts.every((part) => holds(part, payload, stamp));
    case "any":
      return node.parts.some((part) => holds(part, payload, stamp));
    case "not":
      return !holds(node.part, payload, stamp);
  }
}

export function predicatesOf(node: ConditionNode): readonly Predicate[] {
  switch (node.kind) {
    case "predicate":
      return [node];
    case "all":
    case "any":
      return node.parts.flatMap(predicatesOf);
    case "not":
      return predicatesOf(node.part);
  }
}

interface Reading {
  readonly predicates: PredicateTable;
  readonly problems: PlacedProblem[];
  readonly doubts: PlacedProblem[];
  /** Whether a condition is itself valid, and so may be suggested. */
  readonly isSuggestible: (condition: JsonValue) => boolean;
  predicateCount: number;
}

function compileNode(json: JsonValue, path: Place, depth: number, reading: Reading): ConditionNode {
  if (depth > nestingMax) return refuse(reading, path, `is nested more than ${nestingMax} levels deep`);
  if (isJsonArray(json)) return compileParts("all", json, path, depth, reading);
  if (!isJsonObject(json)) {
    const start = JSON.stringify(json).slice(0, 60);
    return refuse(reading, path, `${start} is not a condition${suggestion(json, reading.isSuggestible)}`);
  }

  const names = Object.keys(json);
  if (names.length === 0) return refuse(reading, path, "is empty; leave it out");
  const combination = combinationNames.find((name) => Object.hasOwn(json, name));
  if (combination === undefined) {
    const foreign = names.every((name) => comparisonParts.includes(name))
      ? undefined
      : foreignForm(json, reading.isSuggestible);
    return foreign === undefined
      ? compileComparison(json, path, reading)
      : refuse(reading, [...path, ...foreign.place], foreign.problem);
  }
  if (names.length > 1) {
    const others = names.filter((name) => name !== combination);
    const areOwn = others.every((name) => combinationNames.some((own) => own === name));
    return refuse(
      reading,
      path,
      `has ${others.map((name) => `"${name}"`).join(" and ")} next to "${combination}"; put one inside the other${areOwn ? "" : suggestion(json, reading.isSuggestible)}`,
    );
  }

  const inner = json[combination] ?? null;
  if (combination === "not") {
    return { kind: "not", part: compileNode(inner, [...path, "not"], depth + 1, reading) };
  }
  if (!isJsonArray(inner)) return refuse(reading, [...path, combination], "must be an array of conditions");
  return compileParts(combination, inner, [...path, combination], depth, reading);
}

const combinationNames = ["all", "any", "not"] as const;
const comparisonParts: readonly string[] = ["field", "operator", "value"];

function compileParts(
  kind: "all" | "any",
  parts: readonly JsonValue[],
  path: Place,
  depth: number,
  reading: Reading,
): ConditionNode {
  if (kind === "any" && parts.length === 0) return refuse(reading, path, "is empty, so it can never hold");
  return {
    kind,
    parts: parts.map((part, index) => compileNode(part, [...path, index], depth + 1, reading)),
  };
}

function compileComparison(json: JsonObject, path: Place, reading: Reading): ConditionNode {
  reading.predicateCount += 1;
  if (reading.predicateCount > predicatesMax)
    return refuse(reading, path, `exceeds the limit of ${predicatesMax} comparisons`);
  for (const name of Object.keys(json)) {
    if (!comparisonParts.includes(name)) {
      refuse(reading, [...path, name], "is not part of a condition; its parts are field, operator and value");
    }
  }
  const field = decodeField(json["field"], reading.predicates);
  const operator = decodeOperator(json, reading);
  if (field.kind === "invalid") refuse(reading, [...path, "field"], field.problem);
  if (operator.kind === "invalid") refuse(reading, [...path, "operator"], operator.problem);
  const value = Object.hasOwn(json, "value") ? json["value"] : undefined;
  if (field.kind === "invalid" || operator.kind === "invalid") {
    const problem = value === undefined ? undefined : operandProblem(value);
    return problem === undefined ? always : refuse(reading, [...path, "value"], problem);
  }
  const predicate = reading.predicates.predicate(field.value, operator.value, value);
  if (predicate.kind === "invalid")
    return refuse(
      reading,
      [...path, "value"],
      `${predicate.problem}${suggestion(json, reading.isSuggestible)}`,
    );
  if (field.value.doubt !== undefined)
    reading.doubts.push({ place: [...path, "field"], reason: field.value.doubt });
  const doubt = operandDoubt(operator.value, value);
  if (doubt !== undefined) reading.doubts.push({ place: [...path, "value"], reason: doubt });
  return predicate.value;
}

function decodeField(field: JsonValue | undefined, predicates: PredicateTable): Decoded<KnownField> {
  if (field === undefined) return invalid("is missing");
  if (typeof field !== "string") return invalid("must be text");
  return predicates.field(field);
}

function decodeOperator(json: JsonObject, reading: Reading): Decoded<OperatorName> {
  const { operator } = json;
  if (operator === undefined) return invalid("is missing");
  if (typeof operator !== "string") return invalid("must be text");
  return isOperatorName(operator)
    ? valid(operator)
    : invalid(operatorProblem(json, operator, reading.isSuggestible));
}

function refuse(reading: Reading, path: Place, problem: string): ConditionNode {
  reading.problems.push({ place: path, reason: problem });
  return always;
}

function outermostConditions(conditions: JsonValue): readonly JsonValue[] {
  if (isJsonArray(conditions)) return conditions;
  if (!isJsonObject(conditions) || Object.keys(conditions).length === 0) return [];
  const { all, any } = conditions;
  if (isJsonArray(all)) return all;
  return isJsonArray(any) ? any : [conditions];
}

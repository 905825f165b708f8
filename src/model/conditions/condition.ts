/**
 * Conditions as rules store them, compiled into a tree of predicates.
 *
 * | form                                   | holds when                     |
 * | -------------------------------------- | ------------------------------ |
 * | null, {} or [] (outermost only)        | always                         |
 * | [c, …] or {"all": [c, …]}              | every one of them holds        |
 * | {"any": [c, …]}                        | at least one of them holds     |
 * | {"not": c}                             | c does not hold                |
 * | {"field": …, "operator": …, "value": …} | the operator says so          |
 *
 * Whatever is not exactly one of these is a problem, named with its path. An inner `{}` or an empty
 * `any` is one too: the first would quietly hold for everything, the second for nothing.
 */
import { invalid, valid, type Decoded } from "../decoded.ts";
import { parseConditionField } from "../field-path.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { nearestName } from "../nearest-name.ts";
import { isOperatorName, operators, type OperatorName } from "./operators.ts";
import { decide, type Predicate, type PredicateTable, type Stamp } from "./predicate.ts";

export type ConditionNode =
  | { readonly kind: "predicate"; readonly predicate: Predicate }
  | { readonly kind: "all" | "any"; readonly parts: readonly ConditionNode[] }
  | { readonly kind: "not"; readonly part: ConditionNode };

export interface Conditions {
  readonly root: ConditionNode;
  /** How the outermost conditions combine, and those conditions, as an enforcement records them. */
  readonly combination: "all" | "any";
  readonly listed: readonly JsonValue[];
}

const nestingMax = 16;
const predicatesMax = 256;
const problemsMax = 5;

const always: ConditionNode = { kind: "all", parts: [] };

export function compileConditions(conditions: JsonValue, predicates: PredicateTable): Decoded<Conditions> {
  const reading: Reading = { predicates, predicateCount: 0, problems: [] };
  const isEmpty = conditions === null || (isJsonObject(conditions) && Object.keys(conditions).length === 0);
  const root = isEmpty ? always : compileNode(conditions, "conditions", 1, reading);
  if (reading.problems.length > 0) return invalid(reading.problems.slice(0, problemsMax).join("; "));
  return valid({ root, ...outermost(conditions) });
}

/** Whether the conditions hold for this payload. */
export function holds(node: ConditionNode, payload: JsonObject, stamp: Stamp): boolean {
  switch (node.kind) {
    case "predicate":
      return decide(node.predicate, payload, stamp);
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
      return [node.predicate];
    case "all":
    case "any":
      return node.parts.flatMap(predicatesOf);
    case "not":
      return predicatesOf(node.part);
  }
}

interface Reading {
  readonly predicates: PredicateTable;
  readonly problems: string[];
  predicateCount: number;
}

function compileNode(json: JsonValue, path: string, depth: number, reading: Reading): ConditionNode {
  if (depth > nestingMax) return refuse(reading, path, `is nested more than ${nestingMax} levels deep`);
  if (isJsonArray(json)) return compileParts("all", json, path, depth, reading);
  if (!isJsonObject(json))
    return refuse(reading, path, `${JSON.stringify(json).slice(0, 60)} is not a condition`);

  const names = Object.keys(json);
  if (names.length === 0) return refuse(reading, path, "is empty; leave it out");
  const combination = (["all", "any", "not"] as const).find((name) => Object.hasOwn(json, name));
  if (combination === undefined) return compileComparison(json, path, reading);
  if (names.length > 1) {
    const others = names.filter((name) => name !== combination).map((name) => `"${name}"`);
    return refuse(
      reading,
      path,
      `has ${others.join(" and ")} beside "${combination}"; put one inside the other`,
    );
  }

  const inner = json[combination] ?? null;
  if (combination === "not") {
    return { kind: "not", part: compileNode(inner, `${path}.not`, depth + 1, reading) };
  }
  if (!isJsonArray(inner)) return refuse(reading, `${path}.${combination}`, "must be an array of conditions");
  return compileParts(combination, inner, `${path}.${combination}`, depth, reading);
}

function compileParts(
  kind: "all" | "any",
  parts: readonly JsonValue[],
  path: string,
  depth: number,
  reading: Reading,
): ConditionNode {
  if (kind === "any" && parts.length === 0) return refuse(reading, path, "is empty and so never holds");
  return {
    kind,
    parts: parts.map((part, index) => compileNode(part, `${path}[${index}]`, depth + 1, reading)),
  };
}

function compileComparison(json: JsonObject, path: string, reading: Reading): ConditionNode {
  reading.predicateCount += 1;
  if (reading.predicateCount > predicatesMax)
    return refuse(reading, path, `is one more than ${predicatesMax}`);
  for (const name of Object.keys(json)) {
    if (!["field", "operator", "value"].includes(name)) {
      refuse(reading, `${path}.${name}`, "is not part of a condition, which has field, operator and value");
    }
  }
  const field = decodeField(json["field"]);
  const operator = decodeOperator(json["operator"]);
  if (field.kind === "invalid") refuse(reading, `${path}.field`, field.problem);
  if (operator.kind === "invalid") refuse(reading, `${path}.operator`, operator.problem);
  if (field.kind === "invalid" || operator.kind === "invalid") return always;

  const value = Object.hasOwn(json, "value") ? json["value"] : undefined;
  const predicate = reading.predicates.predicate(field.value, operator.value, value);
  if (predicate.kind === "invalid") return refuse(reading, `${path}.value`, predicate.problem);
  return { kind: "predicate", predicate: predicate.value };
}

function decodeField(field: JsonValue | undefined): ReturnType<typeof parseConditionField> {
  if (field === undefined) return invalid("is missing");
  if (typeof field !== "string") return invalid("must be text");
  return parseConditionField(field);
}

function decodeOperator(operator: JsonValue | undefined): Decoded<OperatorName> {
  if (operator === undefined) return invalid("is missing");
  if (typeof operator !== "string") return invalid("must be text");
  if (isOperatorName(operator)) return valid(operator);
  const known = Object.keys(operators);
  const nearest = nearestName(operator, known);
  const hint = nearest === undefined ? `use one of ${known.join(", ")}` : `did you mean "${nearest}"?`;
  return invalid(`"${operator}" is not an operator; ${hint}`);
}

function refuse(reading: Reading, path: string, problem: string): ConditionNode {
  reading.problems.push(`${path}: ${problem}`);
  return always;
}

function outermost(conditions: JsonValue): Pick<Conditions, "combination" | "listed"> {
  if (isJsonArray(conditions)) return { combination: "all", listed: conditions };
  if (!isJsonObject(conditions) || Object.keys(conditions).length === 0)
    return { combination: "all", listed: [] };
  const { all, any } = conditions;
  if (isJsonArray(all)) return { combination: "all", listed: all };
  if (isJsonArray(any)) return { combination: "any", listed: any };
  return { combination: "all", listed: [conditions] };
}

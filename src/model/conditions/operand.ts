/** Values that no operator can compare with, and values that look wrong. */
import { isJsonArray, isJsonObject, type JsonValue } from "../json/json.ts";
import { isAtMostDeep } from "../json/equality.ts";

import type { OperatorName } from "./operators.ts";

const depthMax = 32;

/** A regular expression escapes its braces, so `\{\{ x \}\}` does not match. */
const template = /\{\{.*?\}\}|\{%.*?%\}/s;

/** Why a value cannot be compared with; undefined if it can. */
export function operandProblem(operand: JsonValue): string | undefined {
  return isAtMostDeep(operand, depthMax)
    ? constantProblem(operand)
    : `is nested more than ${depthMax} levels deep`;
}

function constantProblem(operand: JsonValue): string | undefined {
  if (typeof operand === "string") {
    const [written] = template.exec(operand) ?? [];
    return written === undefined
      ? undefined
      : `contains the template ${written}; conditions compare with constants, and templates belong in action_params`;
  }
  if (typeof operand === "number" && !Number.isFinite(operand))
    return `is ${operand}, which no payload contains`;
  if (!isJsonArray(operand) && !isJsonObject(operand)) return undefined;
  for (const member of Object.values<JsonValue>(operand)) {
    const problem = constantProblem(member);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const searching: readonly OperatorName[] = ["contains", "starts_with", "ends_with", "matches"];

/** Why a valid value is probably not what its author meant; undefined if nothing looks wrong. */
export function operandDoubt(operator: OperatorName, operand: JsonValue | undefined): string | undefined {
  if (operand === "" && searching.includes(operator))
    return "is an empty string, which every string contains";
  if (isInNothing(operator, operand)) return "is empty, so no value is in it";
  const hasSlashes =
    operator === "matches" && typeof operand === "string" && /^\/\^|\$\/[a-z]*$/.test(operand);
  return hasSlashes
    ? "has slashes around the pattern, which match literally; remove them, and put flags in front, like (?i)"
    : undefined;
}

export function isInNothing(operator: OperatorName, operand: JsonValue | undefined): boolean {
  return operator === "in" && isJsonArray(operand) && operand.length === 0;
}

/** What no condition can be compared with, whatever its operator. */
import { isJsonArray, isJsonObject, type JsonValue } from "../json.ts";
import { isAtMostDeep } from "../json-equality.ts";

const depthMax = 32;

/** Braces of a regular expression are escaped, so `\{\{ x \}\}` is none of these. */
const template = /\{\{.*?\}\}|\{%.*?%\}/s;

/** Why it cannot be compared with; undefined if nothing is wrong with it. */
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
      : `has the template ${written} in it; a condition compares with a constant, and templates belong in action_params`;
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

/**
 * Suggests, for a condition in another system's syntax, the equivalent condition here, ready to paste.
 * Suggestions are validated first, so following one never leads to another problem.
 */
import type { JsonObject, JsonValue } from "../../json/json.ts";
import { nearestName } from "../../texts/nearest-name.ts";
import type { Place } from "../../placed-problem.ts";
import { operators } from "../operators.ts";
import { operatorMeaning, seemsNegative } from "./operators.ts";
import { combinationNamed, criteriaObstacle, rewriteCondition, type Combination } from "./rewrite.ts";

export type IsUsable = (condition: JsonValue) => boolean;

const lengthMax = 1_000;

/** `; write …` with the same condition in a usable form, or nothing. */
export function suggestion(json: JsonValue, isUsable: IsUsable): string {
  const condition = rewriteCondition(json);
  if (condition === undefined || !isUsable(condition)) return "";
  // On one line, so that it is also valid YAML.
  const text = JSON.stringify(condition, undefined, 1).replaceAll(/\n\s*/g, " ");
  return text.length > lengthMax ? "" : `; write ${text}`;
}

/** Describes the problem with an unknown operator. */
export function operatorProblem(json: JsonObject, operator: string, isUsable: IsUsable): string {
  const name = `"${operator}" is not an operator`;
  const meaning = operatorMeaning(operator);
  if (meaning?.kind === "none") return `${name}: ${meaning.reason}`;

  const own = meaning === undefined ? nearestOperator(operator) : meaning.own;
  const isMisspelt = meaning === undefined && own !== undefined;
  const suggested = suggestion(isMisspelt ? { ...json, operator: own } : json, isUsable);
  if (own !== undefined) return `${name}; did you mean "${own}"?${suggested.replace("; w", " W")}`;
  return `${name}${suggested === "" ? `; use one of ${Object.keys(operators).join(", ")}` : suggested}`;
}

/** Never suggests an operator of the opposite meaning. */
function nearestOperator(operator: string): string | undefined {
  const isNegative = seemsNegative(operator);
  const known = Object.keys(operators).filter((name) => seemsNegative(name) === isNegative);
  return nearestName(operator, known);
}

const combinationHints: Readonly<Record<Combination, string>> = {
  all: 'is called "all" here',
  any: 'is called "any" here',
  not: 'is called "not" here',
  none: 'is {"not": {"any": […]}} here',
  "not all": 'is {"not": {"all": […]}} here',
};

export interface FormProblem {
  /** Relative to the condition's own path. */
  readonly place: Place;
  readonly problem: string;
}

/** A combination or comparison that uses other names than here; undefined if it is neither. */
export function foreignForm(json: JsonObject, isUsable: IsUsable): FormProblem | undefined {
  const suggested = suggestion(json, isUsable);
  const [name = "", ...others] = Object.keys(json);
  const combination = others.length === 0 ? combinationNamed(name) : undefined;
  if (combination !== undefined)
    return { place: [name], problem: `${combinationHints[combination]}${suggested}` };
  if (suggested !== "") return { place: [], problem: `is not in the form of a condition${suggested}` };
  const obstacle = criteriaObstacle(json);
  return obstacle === undefined ? undefined : { place: [], problem: obstacle };
}

/** Which rules read a field of the payload: in a condition or a template. */
import { compileConditions, predicatesOf } from "../conditions/condition.ts";
import { PredicateTable } from "../conditions/predicate.ts";
import type { JsonValue } from "../json/json.ts";
import { templatePaths } from "../templates/template.ts";
import { concerns } from "./memory-path.ts";

export interface RuleTexts {
  readonly ref: string;
  readonly conditions: JsonValue;
  readonly actionParams: JsonValue;
}

/** @returns their refs; invalid rules read nothing */
export function rulesReading(path: string, rules: readonly RuleTexts[]): readonly string[] {
  return rules
    .filter(({ conditions, actionParams }) => {
      const compiled = compileConditions(conditions, new PredicateTable());
      const compared = compiled.kind === "invalid" ? [] : predicatesOf(compiled.value.root);
      const read = [...compared, ...templatePaths(actionParams, [])].map((each) => each.path);
      return read.some((each) => concerns(path, each));
    })
    .map(({ ref }) => ref);
}

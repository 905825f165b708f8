import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { readRuleProblems } from "../../database/statements/diagnosis.ts";
import { good, wrong, type Finding } from "./finding.ts";

/** Which enabled rules agents could not compile. */
export async function checkRules(database: Database): Promise<readonly Finding[]> {
  const problems = await rowsOf(database, readRuleProblems, undefined);
  if (problems.length === 0) return [good("rules", "no agent has found an enabled one unusable")];
  return problems.map(({ ruleRef, problem, since }) =>
    wrong(`rule ${ruleRef}`, `is invalid and matches nothing: ${problem}`, {
      remedy: "correct its conditions or action_params; it is used within a second",
      facts: { rule: ruleRef, problem, since },
    }),
  );
}

/** The rules that are unusable, as the table rule_problem shows them to people. */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";

export interface RuleProblem {
  readonly rule: Id;
  readonly problem: string;
}

export interface RuleProblems {
  /** The revision at which these were all the unusable rules. */
  readonly revision: Id;
  readonly problems: readonly RuleProblem[];
}

export interface RecordedProblems {
  /** False if the rules have changed since; then nothing was written. */
  readonly isCurrent: boolean;
  /** False if rows that another session had locked were skipped. */
  readonly isWhole: boolean;
}

/**
 * Replaces the contents of rule_problem, if the revision is still the newest.
 *
 * Every agent writes the same contents after each change. The revision is locked in share mode, so an agent that judged
 * older rules writes nothing. Only rows that differ are written, so a problem keeps the time it was first seen.
 *
 * The rows are locked before the revision, and locked rows are skipped: a user's transaction holds the rules that it
 * changed and takes the revision when it commits. Waiting for such a rule while holding the revision would be a
 * deadlock, and the user's transaction might be the one to fail. Skipped rows are written after that change.
 */
export const recordRuleProblems: Statement<RuleProblems, RecordedProblems> = {
  name: "record_rule_problems",
  text: `
    with given as materialized (
      select given.rule, given.problem
        from jsonb_to_recordset($2::jsonb) as given (rule bigint, problem text)
    ), rule_held as materialized (
      select rule.id
        from rule
       where rule.id in (select rule from given)
       order by rule.id
         for key share skip locked
    ), problem_held as materialized (
      select rule
        from rule_problem
       order by rule
         for update skip locked
    ), revision_held as materialized (
      select value
        from rule_revision
       where value = $1
         -- Always true; forces the rows to be locked first.
         and (select count(*) from rule_held) + (select count(*) from problem_held) >= 0
         for share
    ), passed_over as materialized (
      select rule from given where rule not in (select id from rule_held)
      union
      select rule from rule_problem where rule not in (select rule from problem_held)
    ), solved as (
      delete from rule_problem
       where exists (select from revision_held)
         and rule not in (select rule from given)
         and rule not in (select rule from passed_over)
    ), written as (
      insert into rule_problem (rule, problem)
      select rule, problem
        from given
       where exists (select from revision_held)
         and rule not in (select rule from passed_over)
       order by rule
      on conflict (rule) do update
         set problem = excluded.problem,
             since = now()
       where rule_problem.problem <> excluded.problem
    )
    select exists (select from revision_held) as is_current,
           not exists (select from passed_over) as is_whole`,
  values: ({ revision, problems }) => [revision, JSON.stringify(problems)],
  decode: (row) => ({ isCurrent: row.boolean("is_current"), isWhole: row.boolean("is_whole") }),
};

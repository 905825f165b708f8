/**
 * Tells people which enabled rules are invalid, by the log and by the table rule_problem, and which are valid but look
 * wrong, by the log. Everything is logged once, and again only if it changes.
 */
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { recordRuleProblems } from "../database/statements/rule-problems.ts";
import type { Id } from "../model/identifiers.ts";
import type { CompiledRuleSet } from "../model/rules/rule-set.ts";
import type { Logger } from "../telemetry/logger.ts";
import { Reported } from "../telemetry/reported.ts";

export interface RuleReportsOptions {
  readonly database: Queryable;
  readonly logger: Logger;
}

export class RuleReports {
  readonly #options: RuleReportsOptions;
  /** The problems this process last wrote to rule_problem; undefined if none yet. */
  #recorded: ReadonlyMap<Id, string> | undefined;
  readonly #loggedProblems = new Reported<Id>();
  readonly #loggedDoubts = new Reported<Id>();

  constructor(options: RuleReportsOptions) {
    this.#options = options;
  }

  logDoubts(rules: CompiledRuleSet): void {
    const { doubts } = rules;
    for (const [rule, doubt] of doubts) {
      if (this.#loggedDoubts.isNew(rule, doubt))
        this.#options.logger.warn(
          { rule_id: rule, rule_ref: rules.refOf(rule), reason: doubt },
          "a rule's conditions are valid but may not mean what their author intended",
        );
    }
    this.#loggedDoubts.keepOnly(doubts);
  }

  /**
   * Logs the problems, and writes them to rule_problem.
   *
   * @returns false if the rules have changed since; then nothing was written
   */
  async recordProblems(rules: CompiledRuleSet): Promise<boolean> {
    const { revision, problems } = rules;
    if (this.#recorded !== undefined && areSame(this.#recorded, problems)) return true;

    this.#logProblems(rules);
    const rows = [...problems].map(([rule, problem]) => ({ rule, problem }));
    const answer = await rowOf(this.#options.database, recordRuleProblems, { revision, problems: rows });
    if (answer?.isCurrent !== true) return false;
    // If other rows were locked, their holder announces a change when done; otherwise the next step completes this.
    this.#recorded = answer.isWhole ? problems : undefined;
    return true;
  }

  #logProblems(rules: CompiledRuleSet): void {
    const { logger } = this.#options;
    const { problems } = rules;
    for (const [rule, problem] of problems) {
      if (this.#loggedProblems.isNew(rule, problem))
        logger.warn(
          { rule_id: rule, rule_ref: rules.refOf(rule), problem },
          "a rule is invalid and matches nothing",
        );
    }
    for (const rule of this.#loggedProblems.keepOnly(problems)) {
      logger.info(
        { rule_id: rule, rule_ref: rules.refOf(rule) },
        "an invalid rule has been corrected, disabled or deleted",
      );
    }
  }
}

function areSame(one: ReadonlyMap<Id, string>, other: ReadonlyMap<Id, string>): boolean {
  if (one === other) return true;
  return one.size === other.size && [...one].every(([rule, problem]) => other.get(rule) === problem);
}

/**
 * Compiles the rules in the database and keeps them up to date.
 *
 * There is always one current set. It is replaced as a whole, between two events, by a set built from one
 * snapshot. A refresh reads the revision and, if it differs from the current set's, the rules; it compiles
 * them in slices, between which events are processed. It never exposes half a change, and keeps the last
 * valid set while the database is unreachable. Events wait then anyway, and are stored only if the revision
 * they were matched at is still the newest.
 *
 * At most one refresh runs and at most one waits. A caller that asks while one runs joins the waiting one,
 * because the running one may have read the rules before the change that the caller knows about.
 *
 * After each new set the loop records the enabled rules that are invalid in the table rule_problem. Each
 * agent logs each problem once, and also valid conditions that look wrong.
 */
import { setImmediate as letOthersRun } from "node:timers/promises";
import assert from "node:assert/strict";
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { decodeRule, readRuleRevision, readRules, recordRuleProblems } from "../database/statements/rules.ts";
import type { Id } from "../model/identifiers.ts";
import type { RuleSource } from "../model/rules/rule-match.ts";
import { CompiledRuleSet, type RuleSnapshot } from "../model/rules/rule-set.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import { Reported } from "../telemetry/reported.ts";
import type { Clock } from "../time/clock.ts";

export interface RuleSourceOptions {
  readonly database: Queryable;
  /** How often to check the revision without a wake. */
  readonly intervalMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Reads and compiles the rules for the first time. Rejects if the database does not answer. */
export async function openRuleSource(options: RuleSourceOptions): Promise<DatabaseRuleSource> {
  return new DatabaseRuleSource(options, await compile(await readSnapshot(options.database)));
}

export class DatabaseRuleSource implements RuleSource {
  readonly #options: RuleSourceOptions;
  readonly #loop: WakeableLoop;
  #current: CompiledRuleSet;
  #running: Promise<CompiledRuleSet> | undefined;
  #waiting: Promise<CompiledRuleSet> | undefined;
  /** The problems this process last wrote to rule_problem; undefined if none yet. */
  #recorded: ReadonlyMap<Id, string> | undefined;
  /** The problems and doubts last logged. */
  readonly #reportedProblems = new Reported<Id>();
  readonly #reportedDoubts = new Reported<Id>();

  constructor(options: RuleSourceOptions, first: CompiledRuleSet) {
    this.#options = options;
    this.#current = first;
    const { intervalMs } = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not check for changed rules; continuing with the last ones read",
          ends: "rules are read again",
        },
        step: () => this.#step(),
        intervalMs,
        retry: { delayMsFirst: 250, delayMsMax: intervalMs },
      },
      options,
    );
  }

  current(): CompiledRuleSet {
    return this.#current;
  }

  refresh(): Promise<CompiledRuleSet> {
    if (this.#running === undefined && this.#waiting === undefined) return this.#start();
    this.#waiting ??= this.#startAfter(this.#running);
    return this.#waiting;
  }

  /** A hint that rules or triggers have changed. */
  wake(): void {
    this.#loop.wake();
  }

  /** Keeps the set and rule_problem up to date until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  async #step(): Promise<void> {
    await this.refresh();
    this.#reportDoubts(this.#current);
    await this.#recordProblems();
  }

  async #startAfter(running: Promise<CompiledRuleSet> | undefined): Promise<CompiledRuleSet> {
    // Its failure concerns only the callers that asked for it.
    await running?.catch(() => undefined);
    this.#waiting = undefined;
    return await this.#start();
  }

  #start(): Promise<CompiledRuleSet> {
    const running = this.#read().finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #read(): Promise<CompiledRuleSet> {
    const { database } = this.#options;
    const newest = await rowOf(database, readRuleRevision, undefined);
    if (newest?.revision === this.#current.revision) return this.#current;
    this.#current = await compile(await readSnapshot(database), this.#current);
    return this.#current;
  }

  async #recordProblems(): Promise<void> {
    const current = this.#current;
    const { revision, problems } = current;
    if (this.#recorded !== undefined && areSame(this.#recorded, problems)) return;

    this.#reportProblems(current);
    const rows = [...problems].map(([rule, problem]) => ({ rule, problem }));
    const answer = await rowOf(this.#options.database, recordRuleProblems, { revision, problems: rows });
    if (answer?.isCurrent !== true) {
      this.#loop.wake();
      return;
    }
    // If other rows were locked, their holder announces a change when done; otherwise the next step completes this.
    this.#recorded = answer.isWhole ? problems : undefined;
  }

  #reportProblems(current: CompiledRuleSet): void {
    const { logger } = this.#options;
    const { problems } = current;
    for (const [rule, problem] of problems) {
      if (this.#reportedProblems.isNew(rule, problem))
        logger.warn(
          { rule_id: rule, rule_ref: current.refOf(rule), problem },
          "a rule is invalid and matches nothing",
        );
    }
    for (const rule of this.#reportedProblems.keepOnly(problems)) {
      logger.info(
        { rule_id: rule, rule_ref: current.refOf(rule) },
        "an invalid rule has been corrected, disabled or deleted",
      );
    }
  }

  #reportDoubts(current: CompiledRuleSet): void {
    const { doubts } = current;
    for (const [rule, doubt] of doubts) {
      if (this.#reportedDoubts.isNew(rule, doubt))
        this.#options.logger.warn(
          { rule_id: rule, rule_ref: current.refOf(rule), reason: doubt },
          "a rule's conditions are valid but may not mean what their author intended",
        );
    }
    this.#reportedDoubts.keepOnly(doubts);
  }
}

async function readSnapshot(database: Queryable): Promise<RuleSnapshot> {
  const rows = await rowsOf(database, readRules, undefined);
  const revision = rows.find((row) => row.kind === "revision");
  assert(revision !== undefined, "rule_revision has no row; the migrations insert it");
  return {
    revision: revision.revision,
    triggers: rows.flatMap((row) => (row.kind === "trigger" ? [row.trigger] : [])),
    rules: rows.filter((row) => row.kind === "rule"),
    decode: ({ id, text }) => decodeRule(id, text),
  };
}

async function compile(snapshot: RuleSnapshot, previous?: CompiledRuleSet): Promise<CompiledRuleSet> {
  const building = CompiledRuleSet.build(snapshot, previous);
  for (;;) {
    const step = building.next();
    if (step.done === true) return step.value;
    await letOthersRun();
  }
}

function areSame(one: ReadonlyMap<Id, string>, other: ReadonlyMap<Id, string>): boolean {
  return one.size === other.size && [...one].every(([rule, problem]) => other.get(rule) === problem);
}

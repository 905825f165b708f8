/**
 * The rules of the database, compiled and kept up to date.
 *
 * The model. There is always one current set; it is replaced as a whole, between two events, by a set
 * built from one snapshot. A refresh reads the revision and, if it is another than the current set's,
 * the rules; then it compiles, in slices between which events pass. It never serves half a change and
 * keeps the last good set while the database is away: events wait anyway until they can be stored, and
 * they are stored only if the revision they were matched at is still the newest.
 *
 * At most one refresh runs and at most one waits. Who asks while one runs joins the one that waits,
 * since the one that runs may have read before the change that the asker knows of.
 *
 * After each new set the loop makes the table rule_problem say which enabled rules are unusable. Each
 * problem is logged once, by each agent, and so are conditions that can be used and look wrong.
 */
import { setImmediate as letOthersRun } from "node:timers/promises";
import assert from "node:assert/strict";
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { decodeRule, readRuleRevision, readRules, recordRuleProblems } from "../database/statements/rules.ts";
import { backoffDelayMs } from "../model/sensors/backoff.ts";
import type { Id } from "../model/identifiers.ts";
import type { RuleSource } from "../model/rules/rule-match.ts";
import { CompiledRuleSet, type RuleSnapshot } from "../model/rules/rule-set.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface RuleSourceOptions {
  readonly database: Queryable;
  /** How often the revision is looked at without any hint. */
  readonly intervalMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Reads and compiles the rules for the first time; rejects when the database does not answer. */
export async function openRuleSource(options: RuleSourceOptions): Promise<DatabaseRuleSource> {
  return new DatabaseRuleSource(options, await compile(await readSnapshot(options.database)));
}

export class DatabaseRuleSource implements RuleSource {
  readonly #options: RuleSourceOptions;
  readonly #loop: WakeableLoop;
  #current: CompiledRuleSet;
  #running: Promise<CompiledRuleSet> | undefined;
  #waiting: Promise<CompiledRuleSet> | undefined;
  /** What rule_problem was last made to say by this process; undefined: nothing yet. */
  #recorded: ReadonlyMap<Id, string> | undefined;
  /** What the log was last told. */
  #told: ReadonlyMap<Id, string> = new Map();
  #toldDoubts: ReadonlyMap<Id, string> = new Map();

  constructor(options: RuleSourceOptions, first: CompiledRuleSet) {
    this.#options = options;
    this.#current = first;
    const { intervalMs, clock, random, logger } = options;
    this.#loop = new WakeableLoop({
      step: () => this.#step(),
      intervalMs,
      retryDelayMs: (failures) =>
        backoffDelayMs(failures, { delayMsFirst: 250, delayMsMax: intervalMs }, random()),
      onFailure: (error, failures) => {
        if (failures === 1)
          logger.warn({ error }, "could not look for changed rules; matching by the last ones read");
      },
      clock,
    });
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
    this.#tellDoubts(this.#current);
    await this.#recordProblems();
  }

  async #startAfter(running: Promise<CompiledRuleSet> | undefined): Promise<CompiledRuleSet> {
    // How that one ends is for those who asked for it.
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

    this.#tellProblems(current);
    const rows = [...problems].map(([rule, problem]) => ({ rule, problem }));
    const answer = await rowOf(this.#options.database, recordRuleProblems, { revision, problems: rows });
    if (answer?.isCurrent !== true) {
      this.#loop.wake();
      return;
    }
    // Whoever holds the rest announces a change when done; else the next look completes it.
    this.#recorded = answer.isWhole ? problems : undefined;
  }

  #tellProblems(current: CompiledRuleSet): void {
    const { logger } = this.#options;
    const { problems } = current;
    for (const [rule, problem] of problems) {
      if (this.#told.get(rule) !== problem)
        logger.warn(
          { rule_id: rule, rule_ref: current.refOf(rule), problem },
          "a rule cannot be used; it matches nothing",
        );
    }
    for (const rule of this.#told.keys()) {
      if (!problems.has(rule))
        logger.info(
          { rule_id: rule, rule_ref: current.refOf(rule) },
          "a rule that could not be used has been corrected, disabled or deleted",
        );
    }
    this.#told = problems;
  }

  #tellDoubts(current: CompiledRuleSet): void {
    const { doubts } = current;
    if (doubts === this.#toldDoubts) return;
    for (const [rule, doubt] of doubts) {
      if (this.#toldDoubts.get(rule) !== doubt)
        this.#options.logger.warn(
          { rule_id: rule, rule_ref: current.refOf(rule), reason: doubt },
          "a rule's conditions are used and may not mean what their author wants",
        );
    }
    this.#toldDoubts = doubts;
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

/**
 * Compiles the rules in the database and keeps them up to date.
 *
 * There is always one current set. It is replaced as a whole, between two events, by a set made from it and from the
 * changes since its revision (rule-reading.ts). Nothing else is read or compiled again. A refresh never exposes
 * half a change, and keeps the last valid set while the database is unreachable. Events wait then anyway, and are stored
 * only if their trigger's revision is still the newest.
 *
 * At most one refresh runs and at most one waits. A caller that asks while one runs joins the waiting one,
 * because the running one may have read the rules before the change that the caller knows about.
 *
 * After each new set the loop reports the rules that are invalid or look wrong (rule-reports.ts). When it has nothing else to
 * do it merges levels of the set (model/rules/trigger-rules.ts), and stops for the next wake.
 */
import { setImmediate as letOthersRun } from "node:timers/promises";
import { runTimeSlice } from "../concurrency/time-slices.ts";
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Queryable } from "../database/database.ts";
import type { RuleSource } from "../model/rules/rule-match.ts";
import type { CompiledRuleSet } from "../model/rules/rule-set.ts";
import type { Merge } from "../model/rules/trigger-rules.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";
import { readChanges, readEverything } from "./rule-reading.ts";
import { RuleReports } from "./rule-reports.ts";

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
  return new DatabaseRuleSource(options, await readEverything(options));
}

export class DatabaseRuleSource implements RuleSource {
  readonly #options: RuleSourceOptions;
  readonly #loop: WakeableLoop;
  readonly #reports: RuleReports;
  #current: CompiledRuleSet;
  #running: Promise<CompiledRuleSet> | undefined;
  #waiting: Promise<CompiledRuleSet> | undefined;
  #merging: Generator<void, Merge> | undefined;
  #isWoken = false;

  constructor(options: RuleSourceOptions, first: CompiledRuleSet) {
    this.#options = options;
    this.#current = first;
    this.#reports = new RuleReports(options);
    const { intervalMs } = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not check for changed rules; continuing with the last ones read",
          ends: "rules are read again",
        },
        step: (signal) => this.#step(signal),
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
    this.#isWoken = true;
    this.#loop.wake();
  }

  /** Keeps the set and rule_problem up to date until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  async #step(signal: AbortSignal): Promise<void> {
    this.#isWoken = false;
    await this.refresh();
    this.#reports.logDoubts(this.#current);
    if (!(await this.#reports.recordProblems(this.#current))) this.#loop.wake();
    await this.#mergeLevels(signal);
  }

  /** Until all are merged, or there is something else to do. */
  async #mergeLevels(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!this.#isWoken && !signal.aborted) {
      this.#merging ??= this.#current.merging();
      if (this.#merging === undefined) return;
      const step = runTimeSlice(this.#merging, clock);
      if (step.done === true) {
        this.#merging = undefined;
        this.#current = this.#current.withMerge(step.value);
      }
      await letOthersRun();
    }
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
    this.#current = await readChanges(this.#options, this.#current);
    return this.#current;
  }
}

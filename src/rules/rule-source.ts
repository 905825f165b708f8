/**
 * Compiles the rules in the database and keeps them up to date.
 *
 * There is always one current set. It is replaced as a whole, between two events, by a set made from it and from the
 * changes since its revision, which one statement reads. Nothing else is read or compiled again. Compiling yields to
 * events every few milliseconds. A refresh never exposes half a change, and keeps the last valid set while the database
 * is unreachable. Events wait then anyway, and are stored only if their trigger's revision is still the newest.
 *
 * Everything is read in pages at the start, if more has changed than one statement should return, and if the database no
 * longer has the changes since the current set's revision. The revision is read first, then the pages, and finally the
 * changes since that revision. So the result belongs to one revision although the pages do not: rules that changed
 * meanwhile are read again, and all others are the same on any page.
 *
 * At most one refresh runs and at most one waits. A caller that asks while one runs joins the waiting one,
 * because the running one may have read the rules before the change that the caller knows about.
 *
 * After each new set the loop records the enabled rules that are invalid in the table rule_problem. Each
 * agent logs each problem once, and also valid conditions that look wrong. When it has nothing else to do it merges levels of
 * the set (model/rules/trigger-rules.ts), and stops for the next wake.
 */
import { setImmediate as letOthersRun } from "node:timers/promises";
import assert from "node:assert/strict";
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { recordRuleProblems } from "../database/statements/rule-problems.ts";
import {
  decodeRule,
  decodeTrigger,
  readRuleChanges,
  readRulePage,
  readTriggers,
  type RuleRow,
  type TriggerRow,
} from "../database/statements/rules.ts";
import type { Id } from "../model/identifiers.ts";
import type { RuleSource } from "../model/rules/rule-match.ts";
import { CompiledRuleSet, type RuleSetDraft } from "../model/rules/rule-set.ts";
import type { Merge } from "../model/rules/trigger-rules.ts";
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

/** Rules that one statement returns; more would hold up events while they are decoded, and fill memory. */
const pageMax = 2_000;
/** How long work goes on before events get a turn. */
const sliceMs = 4;
/** Readings of everything that end with more changes than one statement returns. */
const readingsMax = 5;

/** Reads and compiles the rules for the first time. Rejects if the database does not answer. */
export async function openRuleSource(options: RuleSourceOptions): Promise<DatabaseRuleSource> {
  return new DatabaseRuleSource(options, await readEverything(options));
}

export class DatabaseRuleSource implements RuleSource {
  readonly #options: RuleSourceOptions;
  readonly #loop: WakeableLoop;
  #current: CompiledRuleSet;
  #running: Promise<CompiledRuleSet> | undefined;
  #waiting: Promise<CompiledRuleSet> | undefined;
  /** The problems this process last wrote to rule_problem; undefined if none yet. */
  #recorded: ReadonlyMap<Id, string> | undefined;
  #merging: Generator<void, Merge> | undefined;
  #isWoken = false;
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
    this.#reportDoubts(this.#current);
    await this.#recordProblems();
    await this.#mergeLevels(signal);
  }

  /** Until all are merged, or there is something else to do. */
  async #mergeLevels(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!this.#isWoken && !signal.aborted) {
      this.#merging ??= this.#current.merging();
      if (this.#merging === undefined) return;
      const merge = runSlice(this.#merging, clock);
      if (merge !== undefined) {
        this.#merging = undefined;
        this.#current = this.#current.withMerge(merge);
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
    const base = this.#current;
    const next = await withChanges(this.#options, base.draft(), base.revision);
    if (next === "unchanged") return base;
    this.#current = next === "unknown" ? await readEverything(this.#options) : next;
    return this.#current;
  }

  async #recordProblems(): Promise<void> {
    const current = this.#current;
    const { revision, problems } = current;
    if (this.#recorded === problems || (this.#recorded !== undefined && areSame(this.#recorded, problems)))
      return;

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

type ReadOptions = Pick<RuleSourceOptions, "database" | "clock">;

/** The set of a draft and of what has changed since that revision. */
async function withChanges(
  { database, clock }: ReadOptions,
  draft: RuleSetDraft,
  since: Id,
): Promise<CompiledRuleSet | "unchanged" | "unknown"> {
  const rows = await rowsOf(database, readRuleChanges, { since, rulesMax: pageMax });
  const newest = rows.find((row) => row.kind === "revision");
  assert(newest !== undefined, "rule_revision has no row; the migrations insert it");
  if (!newest.isKnown) return "unknown";
  if (newest.revision === since) return "unchanged";
  await inSlices(
    putRows(
      draft,
      rows.filter((row) => row.kind !== "revision"),
    ),
    clock,
  );
  return await inSlices(draft.finish(newest.revision), clock);
}

async function readEverything({ database, clock }: ReadOptions): Promise<CompiledRuleSet> {
  for (let readings = 1; readings <= readingsMax; readings += 1) {
    const draft = CompiledRuleSet.empty().draft();
    const rows = await rowsOf(database, readTriggers, undefined);
    const first = rows.find((row) => row.kind === "revision");
    assert(first !== undefined, "rule_revision has no row; the migrations insert it");
    await inSlices(
      putRows(
        draft,
        rows.filter((row) => row.kind === "trigger"),
      ),
      clock,
    );
    for await (const page of rulePages(database)) await inSlices(putRows(draft, page), clock);
    const set = await withChanges({ database, clock }, draft, first.revision);
    if (set === "unchanged") return await inSlices(draft.finish(first.revision), clock);
    if (set !== "unknown") return set;
  }
  throw new Error(`the rules changed too much during each of ${readingsMax} readings`);
}

/** Each page is read while the one before it is compiled. */
async function* rulePages(database: Queryable): AsyncGenerator<readonly RuleRow[], void> {
  const read = async (after: Id): Promise<readonly RuleRow[]> =>
    await rowsOf(database, readRulePage, { after, rulesMax: pageMax });
  let page = await read("0");
  for (let last = page.at(-1); page.length === pageMax && last !== undefined; last = page.at(-1)) {
    const next = read(last.id);
    // If compiling fails first, nobody waits for it.
    next.catch(() => undefined);
    yield page;
    page = await next;
  }
  yield page;
}

function* putRows(draft: RuleSetDraft, rows: readonly (TriggerRow | RuleRow)[]): Generator<void, void> {
  for (const row of rows) {
    yield;
    const { text } = row;
    if (row.kind === "trigger") {
      const definition = text === undefined ? undefined : decodeTrigger(row.ref, text);
      draft.putTrigger(row.ref, row.revision, definition);
    } else if (text === undefined) draft.remove(row.id);
    else draft.put(decodeRule(row.id, text));
  }
}

/** Runs work in slices, between which events get a turn. */
async function inSlices<Result>(work: Generator<void, Result>, clock: Clock): Promise<Result> {
  for (;;) {
    const step = slice(work, clock);
    if (step.done === true) return step.value;
    await letOthersRun();
  }
}

function runSlice<Result>(work: Generator<void, Result>, clock: Clock): Result | undefined {
  const step = slice(work, clock);
  return step.done === true ? step.value : undefined;
}

function slice<Result>(work: Generator<void, Result>, clock: Clock): IteratorResult<void, Result> {
  const endMs = clock.monotonicMs() + sliceMs;
  for (;;) {
    const step = work.next();
    if (step.done === true || clock.monotonicMs() >= endMs) return step;
  }
}

function areSame(one: ReadonlyMap<Id, string>, other: ReadonlyMap<Id, string>): boolean {
  return one.size === other.size && [...one].every(([rule, problem]) => other.get(rule) === problem);
}

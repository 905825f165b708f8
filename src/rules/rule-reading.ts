/**
 * Reads the rules in the database, or what has changed of them, into a set. Compiling yields to events every few
 * milliseconds.
 *
 * Everything is read in pages: at the start, if very much has changed, and if the database no longer has the changes since the
 * known revision. The revision is read first, then the pages, and finally the changes since that revision. So the result
 * belongs to one revision although the pages do not: rules that changed meanwhile are read again, and all others are the same
 * on any page.
 */
import assert from "node:assert/strict";
import { inTimeSlices } from "../concurrency/time-slices.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import {
  decodeRule,
  decodeTrigger,
  readChangedRulePage,
  readRuleChanges,
  readRulePage,
  readTriggers,
  type ChangedRulePageRow,
  type RuleRow,
  type TriggerRow,
} from "../database/statements/rules.ts";
import type { Id } from "../model/identifiers.ts";
import { CompiledRuleSet, type RuleSetDraft } from "../model/rules/rule-set.ts";
import type { Clock } from "../time/clock.ts";

export interface RuleReadingOptions {
  readonly database: Queryable;
  readonly clock: Clock;
}

/** Rules that one statement returns; more would hold up events while they are decoded, and fill memory. */
const pageMax = 2_000;
/** Changed rules and triggers beyond which everything is read: they are in memory at once. */
const collectedMax = 20_000;
/** Readings of everything that take longer than changes are remembered. */
const readingsMax = 5;

type Row = TriggerRow | RuleRow;

/** The newest set, made from an older one; that one itself if nothing has changed. */
export async function readChanges(
  options: RuleReadingOptions,
  base: CompiledRuleSet,
): Promise<CompiledRuleSet> {
  const { database, clock } = options;
  const changes = await collectChanges(database, base.revision);
  if (changes === undefined) return await readEverything(options);
  if (changes.revision === base.revision) return base;
  const draft = base.draft();
  await inTimeSlices(putRows(draft, changes.rows), clock);
  return await inTimeSlices(draft.finish(changes.revision), clock);
}

/** The newest set. */
export async function readEverything({ database, clock }: RuleReadingOptions): Promise<CompiledRuleSet> {
  for (let readings = 1; readings <= readingsMax; readings += 1) {
    const draft = CompiledRuleSet.empty().draft();
    const { revision: first, triggers } = await readStart(database);
    await inTimeSlices(putRows(draft, triggers), clock);
    for await (const page of rulePages(database)) await inTimeSlices(putRows(draft, page), clock);
    const changes = changesSince(database, first);
    for (;;) {
      const { done, value } = await changes.next();
      if (done !== true) await inTimeSlices(putRows(draft, value), clock);
      else if (value === undefined) break;
      else return await inTimeSlices(draft.finish(value), clock);
    }
  }
  throw new Error(`the changes of rules were forgotten during each of ${readingsMax} readings`);
}

/**
 * All that has changed since a revision; undefined if that is too much, or not remembered. Nothing is compiled before all of
 * it was read: a failure in between must leave no half-made draft of a set that is in use.
 */
async function collectChanges(
  database: Queryable,
  since: Id,
): Promise<{ readonly revision: Id; readonly rows: readonly Row[] } | undefined> {
  const rows: Row[] = [];
  const changes = changesSince(database, since);
  for (;;) {
    const { done, value } = await changes.next();
    if (done === true) return value === undefined ? undefined : { revision: value, rows };
    for (const row of value) rows.push(row);
    if (rows.length > collectedMax) return undefined;
  }
}

/**
 * Reads what has changed since a revision, and returns the revision that it belongs to; undefined if the changes are not
 * remembered.
 *
 * One statement usually returns everything. More is read in pages, and each page shows the rules as they are when it is read.
 * What has changed since the first page is then read in the same way. So each round reads what changed during the one before,
 * and catches up even with somebody who changes thousands of rules in one transaction after the other, as long as writing them
 * takes longer than reading them.
 */
async function* changesSince(database: Queryable, first: Id): AsyncGenerator<readonly Row[], Id | undefined> {
  let since = first;
  for (;;) {
    const rows = await rowsOf(database, readRuleChanges, { since, rulesMax: pageMax });
    const newest = rows.find((row) => row.kind === "revision");
    assert(newest !== undefined, "rule_revision has no row; the migrations insert it");
    if (!newest.isKnown) return undefined;
    if (newest.isComplete) {
      yield rows.filter((row) => row.kind !== "revision");
      return newest.revision;
    }
    const { revision, triggers } = await readStart(database);
    yield triggers;
    let after: Id | undefined = "0";
    while (after !== undefined) {
      const page: readonly ChangedRulePageRow[] = await rowsOf(database, readChangedRulePage, {
        since,
        after,
        rulesMax: pageMax,
      });
      if (page.some((row) => row.kind === "revision" && !row.isKnown)) return undefined;
      const rules = page.filter((row) => row.kind === "rule");
      yield rules;
      after = rules.length === pageMax ? rules.at(-1)?.id : undefined;
    }
    since = revision;
  }
}

/** A revision, and every trigger at it. */
async function readStart(
  database: Queryable,
): Promise<{ readonly revision: Id; readonly triggers: readonly TriggerRow[] }> {
  const rows = await rowsOf(database, readTriggers, undefined);
  const start = rows.find((row) => row.kind === "revision");
  assert(start !== undefined, "rule_revision has no row; the migrations insert it");
  return { revision: start.revision, triggers: rows.filter((row) => row.kind === "trigger") };
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

function* putRows(draft: RuleSetDraft, rows: readonly Row[]): Generator<void, void> {
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

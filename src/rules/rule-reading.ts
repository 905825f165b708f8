/**
 * Reads the rules in the database, or what has changed of them, into a set. Compiling yields to events every few
 * milliseconds.
 *
 * Everything is read in pages: first the revision, then the pages, and finally the changes since that revision. So the
 * result belongs to one revision although the pages do not: rules that changed meanwhile are read again, and all others are
 * the same on any page.
 */
import assert from "node:assert/strict";
import { inTimeSlices } from "../concurrency/time-slices.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
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
import { CompiledRuleSet, type RuleSetDraft } from "../model/rules/rule-set.ts";
import type { Clock } from "../time/clock.ts";

export interface RuleReadingOptions {
  readonly database: Queryable;
  readonly clock: Clock;
}

/** Rules that one statement returns; more would hold up events while they are decoded, and fill memory. */
const pageMax = 2_000;
/** Readings of everything that end with more changes than one statement returns. */
const readingsMax = 5;

/**
 * The set of a draft and of what has changed since that revision.
 *
 * @returns "unknown" if the database does not remember the changes since, or there are too many for one statement
 */
export async function withChanges(
  { database, clock }: RuleReadingOptions,
  draft: RuleSetDraft,
  since: Id,
): Promise<CompiledRuleSet | "unchanged" | "unknown"> {
  const rows = await rowsOf(database, readRuleChanges, { since, rulesMax: pageMax });
  const newest = rows.find((row) => row.kind === "revision");
  assert(newest !== undefined, "rule_revision has no row; the migrations insert it");
  if (!newest.isKnown) return "unknown";
  if (newest.revision === since) return "unchanged";
  await inTimeSlices(
    putRows(
      draft,
      rows.filter((row) => row.kind !== "revision"),
    ),
    clock,
  );
  return await inTimeSlices(draft.finish(newest.revision), clock);
}

/** The newest set. */
export async function readEverything({ database, clock }: RuleReadingOptions): Promise<CompiledRuleSet> {
  for (let readings = 1; readings <= readingsMax; readings += 1) {
    const draft = CompiledRuleSet.empty().draft();
    const rows = await rowsOf(database, readTriggers, undefined);
    const first = rows.find((row) => row.kind === "revision");
    assert(first !== undefined, "rule_revision has no row; the migrations insert it");
    await inTimeSlices(
      putRows(
        draft,
        rows.filter((row) => row.kind === "trigger"),
      ),
      clock,
    );
    for await (const page of rulePages(database)) await inTimeSlices(putRows(draft, page), clock);
    const set = await withChanges({ database, clock }, draft, first.revision);
    if (set === "unchanged") return await inTimeSlices(draft.finish(first.revision), clock);
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

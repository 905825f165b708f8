/** Runs a back-test over the events of the draft's trigger, page by page; the next page is read while one is judged. */
import type { Queryable } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import {
  readBacktestPage,
  type BacktestPage,
  type BacktestRow,
} from "../../database/statements/backtests.ts";
import type { Id } from "../../model/identifiers.ts";
import { objectOf } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { openBacktest, type BacktestResult } from "../../model/rules/backtest.ts";
import type { RuleText } from "../../model/rules/compiled-rule.ts";
import { aimOf, factsOf } from "../stored-facts.ts";

export interface BacktestJob {
  readonly draft: RuleText;
  /** Null: compare with nothing. */
  readonly live: RuleText | null;
  readonly fromMs: number;
  /** Exclusive. */
  readonly untilMs: number;
  /** Only events that were matched at this revision or a newer one. */
  readonly revisionMin: Id | null;
  /** Compare with the enforcements that this rule has; null: with the live rule as it is. */
  readonly enforcedRule: Id | null;
}

export interface BacktestProgress {
  readonly events: number;
  /** How far it has come. */
  readonly createdMs: number;
}

const pageCountMax = 2_000;
const pageBytesMax = 4_194_304;

/**
 * @param onPage called after each page
 * @throws Error with the problem of a draft that is invalid
 */
export async function runBacktest(
  database: Queryable,
  job: BacktestJob,
  onPage: (progress: BacktestProgress) => void,
): Promise<BacktestResult> {
  const { draft, live, fromMs, untilMs, revisionMin, enforcedRule } = job;
  const opened = openBacktest(draft, live, { fromMs, untilMs });
  if (opened.kind === "invalid") throw new Error(opened.problem);
  const backtest = opened.value;
  const pageAfter = (after: BacktestPage["after"]): Promise<readonly BacktestRow[]> =>
    rowsOf(database, readBacktestPage, {
      triggerRef: draft.triggerRef,
      after,
      untilUs: microseconds(untilMs),
      countMax: pageCountMax,
      bytesMax: pageBytesMax,
      revisionMin,
      enforcedRule,
    });
  let page = await pageAfter({ createdUs: microseconds(fromMs - 1), id: "0" });
  for (;;) {
    const last = page.at(-1);
    if (last === undefined) return backtest.result();
    const next = pageAfter(last);
    // Its failure is thrown where it is awaited.
    next.catch(() => {});
    for (const row of page) {
      const createdMs = Number(row.createdUs) / 1_000;
      if (createdMs < fromMs) continue;
      const payload = objectOf(parseJson(row.payloadJson));
      const facts = factsOf({ ...row, triggerRef: draft.triggerRef, payload }, aimOf(row));
      backtest.add({ facts, createdMs, isEnforced: row.isEnforced ?? undefined });
    }
    onPage({ events: backtest.eventCount, createdMs: Number(last.createdUs) / 1_000 });
    page = await next;
  }
}

function microseconds(ms: number): string {
  return String(Math.max(Math.floor(ms * 1_000), 0));
}

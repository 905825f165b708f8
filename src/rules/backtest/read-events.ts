/**
 * Runs a back-test over the events of the draft's trigger, page by page.
 *
 * Events are judged as they arrive, a small batch at a time, so few wait in memory, and the server reads those behind them
 * meanwhile, as far ahead as the buffers of the connection reach. A page is a statement, so its size bounds how long a
 * statement takes. Of a payload, little more is read than what the rules need.
 */
import type { RowReader } from "../../database/database.ts";
import { isTooMuchForOneStatement } from "../../database/errors.ts";
import { eachRowOf } from "../../database/statement.ts";
import {
  readBacktestPage,
  type BacktestPage,
  type BacktestRow,
} from "../../database/statements/backtests.ts";
import type { Id } from "../../model/identifiers.ts";
import { objectOf, type JsonValue } from "../../model/json/json.ts";
import { parseJsonTexts } from "../../model/json/json-text.ts";
import { openBacktest, type BacktestResult } from "../../model/rules/backtest.ts";
import type { RuleText } from "../../model/rules/compiled-rule.ts";
import { aimOf, factsOf } from "../../model/rules/stored-facts.ts";

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

/** Payloads parsed together; larger batches gain nothing. */
const batchCountMax = 128;
const batchCharactersMax = 65_536;

export interface PageBounds {
  readonly countMax: number;
  /** Of stored payloads; null: unbounded. */
  readonly bytesMax: number | null;
}

/** Held in memory by both threads. */
export const heldPage: PageBounds = { countMax: 2_000, bytesMax: 4_194_304 };
/** Not held, so only the time of its statement matters. If it takes too long, the pages after it are bounded in bytes. */
export const streamedPage: PageBounds = { countMax: 10_000, bytesMax: null };

/**
 * @param onPage called after each page
 * @throws Error with the problem of a draft that is invalid
 */
export async function runBacktest(
  reader: RowReader,
  job: BacktestJob,
  firstBounds: PageBounds,
  onPage: (progress: BacktestProgress) => void,
): Promise<BacktestResult> {
  const { draft, live, fromMs, untilMs, revisionMin, enforcedRule } = job;
  const { triggerRef } = draft;
  const opened = openBacktest(draft, live, { fromMs, untilMs });
  if (opened.kind === "invalid") throw new Error(opened.problem);
  const backtest = opened.value;
  const untilUs = microseconds(untilMs);
  let after: BacktestPage["after"] = { createdUs: microseconds(fromMs - 1), id: "0" };
  const batch = new RowBatch((rows, payloads) => {
    for (const [index, row] of rows.entries()) {
      const { id, sourceRef, occurredAt, createdUs } = row;
      const createdMs = Number(createdUs) / 1_000;
      if (createdMs < fromMs) continue;
      const payload = objectOf(payloads[index]);
      const facts = factsOf({ id, triggerRef, payload, sourceRef, occurredAt }, aimOf(row));
      backtest.add({ facts, createdMs, isEnforced: row.isEnforced ?? undefined });
    }
    after = rows.at(-1) ?? after;
  });
  const { payloadKeys } = backtest;
  let bounds = firstBounds;
  for (;;) {
    const { countMax, bytesMax } = bounds;
    const statement = readBacktestPage({ payloadKeys, bytesMax });
    const page = { triggerRef, after, untilUs, countMax, revisionMin, enforcedRule };
    const isCut = await isCutShort(
      eachRowOf(reader, statement, page, (row) => batch.add(row)),
      bounds,
    );
    if (isCut) bounds = heldPage;
    batch.flush();
    if (after === page.after && !isCut) return backtest.result();
    onPage({ events: backtest.eventCount, createdMs: Number(after.createdUs) / 1_000 });
  }
}

/** Whether the server ended the statement of an unbounded page, because it took too long. The rows before that are good. */
async function isCutShort(reading: Promise<void>, { bytesMax }: PageBounds): Promise<boolean> {
  try {
    await reading;
    return false;
  } catch (error) {
    if (bytesMax !== null || !isTooMuchForOneStatement(error)) throw error;
    return true;
  }
}

/** Collects rows whose payloads are parsed together. */
class RowBatch {
  readonly #onFull: (rows: readonly BacktestRow[], payloads: readonly JsonValue[]) => void;
  #rows: BacktestRow[] = [];
  #characters = 0;

  constructor(onFull: (rows: readonly BacktestRow[], payloads: readonly JsonValue[]) => void) {
    this.#onFull = onFull;
  }

  add(row: BacktestRow): void {
    this.#rows.push(row);
    this.#characters += row.payloadJson.length;
    if (this.#rows.length >= batchCountMax || this.#characters >= batchCharactersMax) this.flush();
  }

  flush(): void {
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    this.#characters = 0;
    this.#onFull(rows, parseJsonTexts(rows.map(({ payloadJson }) => payloadJson)));
  }
}

function microseconds(ms: number): string {
  return String(Math.max(Math.floor(ms * 1_000), 0));
}

/** What a back-test does when the server ends the statement of a page, because it took too long. */
import { expect, test } from "vitest";
import type { RowReader } from "../../src/database/database.ts";
import {
  heldPage,
  runBacktest,
  streamedPage,
  type BacktestJob,
} from "../../src/rules/backtest/read-events.ts";
import { ruleText } from "../model/rules/generated-rules.ts";

const eventCount = 10;
const job: BacktestJob = {
  draft: ruleText({ ref: "cut.r", triggerRef: "cut.t" }),
  live: null,
  fromMs: 0,
  untilMs: 1_000_000,
  revisionMin: null,
  enforcedRule: null,
};

/** Has the events that come after the one the query names, and ends the first pages behind so many of them. */
function readerThatCuts(rowsBeforeCuts: readonly number[]): RowReader & { readonly places: unknown[] } {
  const cuts = [...rowsBeforeCuts];
  const places: unknown[] = [];
  return {
    places,
    async eachRow({ values }, onRow) {
      const place = Number(values?.[2]);
      places.push(place);
      const cut = cuts.shift();
      const last = cut === undefined ? eventCount : Math.min(eventCount, place + cut);
      for (let id = place + 1; id <= last; id += 1)
        onRow([`${id} ${id * 1_000}`, null, null, null, null, null]);
      if (cut !== undefined) throw Object.assign(new Error("statement timeout"), { code: "57014" });
    },
  };
}

test("a page that is cut short is continued behind its last event", async () => {
  const reader = readerThatCuts([4]);
  const { counts } = await runBacktest(reader, job, streamedPage, () => {});
  expect(counts).toMatchObject({ events: eventCount, hits: eventCount });
  expect(reader.places).toEqual([0, 4, 10]);
});

test("a page that is cut short before its first event is read again, bounded", async () => {
  const { counts } = await runBacktest(readerThatCuts([0]), job, streamedPage, () => {});
  expect(counts.events).toBe(eventCount);
});

test("a bounded page that is cut short fails", async () => {
  await expect(runBacktest(readerThatCuts([4]), job, heldPage, () => {})).rejects.toThrow(
    "statement timeout",
  );
  await expect(runBacktest(readerThatCuts([4, 1]), job, streamedPage, () => {})).rejects.toThrow(
    "statement timeout",
  );
});

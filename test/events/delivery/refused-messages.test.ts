/** How often refused messages are looked for, and how many are tried; that all arrive is in test/events/outbox.test.ts. */
import { expect, onTestFinished, test } from "vitest";
import type { Database, Query } from "../../../src/database/database.ts";
import { RefusedMessages } from "../../../src/events/delivery/refused-messages.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { owedEventRow, scriptedTransport } from "../../support/publishing.ts";

test("without a refused message the database is asked when messages are owed, at most once a minute, and at once after a refusal", async () => {
  const clock = fakeClock();
  let looks = 0;
  const query = async ({ name }: Query): Promise<{ rows: object[] }> => {
    if (name === "count_refused_messages") looks += 1;
    return { rows: [] };
  };
  const refused = new RefusedMessages({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
    database: { query } as unknown as Database,
    transport: scriptedTransport(),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing is published before a delay is over
    publisher: { room: async () => false, rows: { whenSetAside: () => {} } } as never,
    instance: "i",
    installationId: "installation",
    logger: silentLogger,
    clock,
    random: () => 0.5,
  });
  const ending = new AbortController();
  const run = refused.run(ending.signal);
  await new Promise(setImmediate);

  await clock.advance(1_190_000);
  const looksAtRest = looks;
  for (let minute = 0; minute < 3; minute += 1) {
    refused.noteOwed();
    refused.noteOwed();
    await clock.advance(0);
    await clock.advance(60_000);
  }
  const looksWhileOwing = looks - looksAtRest;
  refused.note("event.created", "it is full");
  await clock.advance(1);

  expect(looksAtRest).toBe(1);
  expect(looksWhileOwing).toBe(3);
  expect(looks).toBe(5);
  ending.abort();
  await run;
});

/** Refused messages under one key without end, all of them sent by a worker that the test scripts. */
async function startRetrying(worker: { readonly isHeld: boolean; readonly outcome: () => string }) {
  const clock = fakeClock();
  /** How many were asked for, by attempt. */
  const asked: number[] = [];
  const query = async ({ name, values = [] }: Query): Promise<{ rows: object[] }> => {
    if (name !== "read_refused_messages") return { rows: [] };
    if (asked.length === 50) throw new Error("attempt follows attempt without a pause");
    const length = Number(values[1]);
    asked.push(length);
    return { rows: Array.from({ length }, () => owedEventRow("m", "i")) };
  };
  const rows = {
    whenSetAside: () => {},
    hasOrHad: () => worker.isHeld,
    whileReading: <T>(read: () => Promise<T>) => read(),
  };
  const refused = new RefusedMessages({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
    database: { query } as unknown as Database,
    transport: scriptedTransport(),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked of it
    publisher: { room: async () => true, sendBack: async () => worker.outcome(), rows } as never,
    instance: "i",
    installationId: "installation",
    logger: silentLogger,
    clock,
    random: () => 0,
  });
  const ending = new AbortController();
  const run = refused.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await run;
  });
  refused.note("event.created", "it is full");
  await clock.advance(0);
  return { clock, asked };
}

test("twice as many are tried each time while all are taken, and one after a refusal, later each time", async () => {
  let isFull = false;
  const { clock, asked } = await startRetrying({
    isHeld: false,
    outcome: () => {
      isFull ||= asked.length === 4;
      return isFull ? "refused" : "confirmed";
    },
  });
  expect(asked).toEqual([]);

  const counts: number[] = [];
  for (let second = 1; second <= 8; second += 1) {
    await clock.advance(1_000);
    counts.push(asked.length);
  }

  expect(asked).toEqual([1, 2, 4, 8, 1, 1, 1]);
  expect(counts).toEqual([4, 5, 5, 6, 6, 6, 6, 7]);
});

test("messages that are on their way already are waited for, not asked for again and again", async () => {
  const { clock, asked } = await startRetrying({ isHeld: true, outcome: () => "confirmed" });

  await clock.advance(1_000);

  expect(asked).toEqual([1]);
});

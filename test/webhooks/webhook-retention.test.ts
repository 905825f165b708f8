import { expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { WebhookRetention } from "../../src/webhooks/webhook-retention.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const dayS = 86_400;
const soon = { timeout: 10_000, interval: 10 };

async function logOf(database: Queryable): Promise<readonly string[]> {
  const rows = await query<{ delivery_id: string }>(
    database,
    "select delivery_id from webhook_delivery order by id",
  );
  return rows.map(({ delivery_id: id }) => id);
}

function note(database: Queryable, prefix: string, age: string, count: number): Promise<unknown> {
  return query(
    database,
    `insert into webhook_delivery (delivery_id, verdict, method, status, seconds, worker_name, created)
     select $1 || n, 'accepted', 'POST', 200, 0.01, 'w1', now() - $2::interval from generate_series(1, $3) as n`,
    [prefix, age, count],
  );
}

test("old rows of the delivery log go, and the oldest beyond the number that is kept, in pieces", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await note(database, "old", "8 days", 1_500);
  await note(database, "new", "6 days", 8);
  const clock = fakeClock();
  const stopping = new AbortController();
  let hasWritten = true;
  const retention = new WebhookRetention({
    database,
    keptSeconds: 7 * dayS,
    rowsMax: 10,
    hasWritten: () => hasWritten,
    logger: silentLogger,
    clock,
    random: () => 0,
  });
  const ended = retention.run(stopping.signal);

  await expect
    .poll(async () => {
      await clock.advance(100);
      return logOf(database);
    }, soon)
    .toEqual(Array.from({ length: 8 }, (_, n) => `new${n + 1}`));

  await note(database, "later", "0 days", 5);
  await expect
    .poll(async () => {
      await clock.advance(1_000);
      return logOf(database);
    }, soon)
    .toEqual(["new4", "new5", "new6", "new7", "new8", "later1", "later2", "later3", "later4", "later5"]);

  // An agent that receives nothing looks once an hour.
  hasWritten = false;
  await query(database, "update webhook_delivery set created = now() - interval '8 days'");
  await clock.advance(120_000);
  expect(await logOf(database)).toHaveLength(10);
  await expect
    .poll(async () => {
      await clock.advance(60_000);
      return logOf(database);
    }, soon)
    .toEqual([]);
  stopping.abort();
  await clock.advance(60_000);
  await ended;
});

test("of two agents that look at once one deletes, and an outage is reported once", async () => {
  await using fresh = await freshDatabase();
  await note(fresh.database, "old", "8 days", 1);
  const clock = fakeClock();
  const stopping = new AbortController();
  const { logger, lines } = recordingLogger();
  let isAway = true;
  const database: Queryable = {
    query: async (text) => {
      if (isAway) throw new Error("the database is away");
      return fresh.database.query(text);
    },
  };
  const start = (): Promise<void> =>
    new WebhookRetention({
      database,
      keptSeconds: 7 * dayS,
      rowsMax: 10,
      hasWritten: () => true,
      logger,
      clock,
      random: () => 0,
    }).run(stopping.signal);
  const ended = Promise.all([start(), start()]);
  await clock.advance(180_000);
  isAway = false;
  await expect
    .poll(async () => {
      await clock.advance(10_000);
      return logOf(fresh.database);
    }, soon)
    .toEqual([]);
  stopping.abort();
  await clock.advance(60_000);
  await ended;
  // Each agent has a log of its own.
  const failures = lines.filter(({ message }) => message.includes("could not delete old rows of webhooks"));
  expect(failures).toHaveLength(2);
});

/** What the sensor `core.webhooks` writes into its log about deliveries, with a real PostgreSQL. */
import { expect, test } from "vitest";
import type { SourceContext } from "../../src/sensors/sources/source.ts";
import { WebhookSource } from "../../src/sensors/sources/webhooks.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { freshDatabase } from "../support/postgres.ts";

const insertDelivery = `
  insert into attune.webhook_delivery (verdict, method, path, status, worker_name)
  values ('accepted', 'POST', $1, 200, 'w1')`;

// Goal: the log has a line for each delivery, although agents that write rows at once commit them in any order.
// Method: a row with a lower id is committed after one with a higher id has been reported.
test("a delivery whose row is committed late is reported, and none twice", async () => {
  await using fresh = await freshDatabase();
  const slow = await fresh.connect();
  const quick = await fresh.connect();
  const clock = fakeClock();
  const stopping = new AbortController();
  const log: string[] = [];
  const nothing = (): void => {};
  const context: SourceContext = {
    output: { take: () => true, flush: nothing },
    submit: () => true,
    checkpoint: () => Promise.resolve(undefined),
    clock,
    stopping: stopping.signal,
    abandoned: stopping.signal,
    noteRunning: nothing,
    noteObstacle: nothing,
    noteFacts: nothing,
    noteOutput: nothing,
    log: (lines) => void log.push(...lines),
    warn: nothing,
  };
  const source = new WebhookSource({ database: fresh.database });
  await quick.query(insertDelivery, ["before"]);
  const ended = source.run(context);
  const look = async (): Promise<void> => {
    await expect.poll(() => clock.sleeperCount()).toBe(1);
    await clock.advance(2_000);
    await expect.poll(() => clock.sleeperCount()).toBe(1);
  };

  await look();
  await slow.query("begin");
  await slow.query(insertDelivery, ["late"]);
  await quick.query(insertDelivery, ["early"]);
  await look();
  const known = [...log];
  await slow.query("commit");
  await look();
  await quick.query(insertDelivery, ["last"]);
  await look();
  stopping.abort();
  await ended;

  const paths = (lines: readonly string[]) => lines.map((line) => /\/webhooks\/"?(\w+)/.exec(line)?.[1]);
  expect(paths(known)).toEqual(["early"]);
  expect(paths(log)).toEqual(["early", "late", "last"]);
});

import { expect, test } from "vitest";
import { readFleetFacts } from "../../src/registration/fleet-facts.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

/** Messages about as many events, the first ones the oldest. */
const owe = (count: number): string => `
  insert into outbox (message_id, routing_key, event, created)
  select ('00000000-0000-8001-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'event.created', n,
         now() - make_interval(secs => ${count} - n)
    from generate_series(1, ${count}) as n`;

test("pending messages are counted, with the age of the oldest", async () => {
  await using fresh = await freshDatabase();
  await query(fresh.database, "delete from outbox");
  expect(await readFleetFacts(fresh.database)).toMatchObject({ outboxMessages: 0, outboxAgeSeconds: 0 });

  await query(fresh.database, owe(10_000));

  const { outboxMessages, outboxAgeSeconds } = await readFleetFacts(fresh.database);
  expect(outboxMessages).toBe(10_000);
  expect(outboxAgeSeconds).toBeGreaterThanOrEqual(9_999);
});

test("of more than ten thousand messages no more are read: the number is the database's estimate, the age exact", async () => {
  await using fresh = await freshDatabase();
  await query(fresh.database, "alter table outbox set (autovacuum_enabled = false)");
  await query(fresh.database, owe(30_000));
  await query(fresh.database, "analyze outbox");
  await query(fresh.database, owe(50_000).replace("1, 50000", "30001, 50000"));

  const { outboxMessages, outboxAgeSeconds } = await readFleetFacts(fresh.database);

  // Not 50,000: the statistics are of before.
  expect(outboxMessages).toBeGreaterThan(10_000);
  expect(outboxMessages).toBeLessThan(45_000);
  expect(outboxAgeSeconds).toBeGreaterThanOrEqual(29_999);
});

test("without statistics it is at least one more than what is counted", async () => {
  await using fresh = await freshDatabase();
  await query(fresh.database, "alter table outbox set (autovacuum_enabled = false)");
  await query(fresh.database, owe(10_500));

  expect(await readFleetFacts(fresh.database)).toMatchObject({ outboxMessages: 10_001 });
});

/** What doctor finds of partitions, in a real database whose rows are given an old `created`. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Config } from "../../../src/config/schema.ts";
import { checkHeldPartitions } from "../../../src/diagnosis/checks/held-partitions-check.ts";
import { checkRetention } from "../../../src/diagnosis/checks/retention-check.ts";
import type { Finding } from "../../../src/diagnosis/finding.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { idleSources } from "../../support/gauge-sources.ts";
import { query } from "../../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../../support/postgres.ts";

let fresh: FreshDatabase;
beforeEach(async () => {
  fresh = await freshDatabase();
  await query(fresh.database, "select add_partition('event', 10000001, 20000001)");
  await query(fresh.database, "select add_partition('event', 20000001, 30000001)");
  await query(fresh.database, "select setval('event_id_seq', 20000000)");
  await addEvent("1", "40 days");
  await addEvent("10000001", "39 days");
});
afterEach(() => fresh[Symbol.asyncDispose]());

const addEvent = (id: string, age: string): Promise<unknown> =>
  query(
    fresh.database,
    "insert into event (id, trigger_ref, created) values ($1, 't', now() - $2::interval)",
    [id, age],
  );

const retire = (partition: string): Promise<unknown> =>
  query(fresh.database, "select retire_partition('event', $1)", [partition]);

async function ofEvents(): Promise<Finding | undefined> {
  const look = { kind: "postgresql", rows: fresh.database } as const;
  const findings = await checkRetention({ retention: {} } as Config, look);
  return findings.find(({ subject }) => subject === "retention events");
}

test("partitions that are kept because of the clock are wrong, as the running agent counts them", async () => {
  const metrics = createMetrics({ version: "test", withProcess: false });
  const kept = { partitions: 30, bytes: 1, overdue: 0, strayRows: 0 };
  const keptTables = new Map([
    ["event", { ...kept, held: 28 }],
    ["event_key", { ...kept, held: 0 }],
  ]);
  metrics.observe({ ...idleSources, keptTables: () => keptTables });

  expect(checkHeldPartitions(await metrics.text())).toMatchObject([
    {
      state: "wrong",
      subject: "retention of event",
      detail: "28 partitions would be dropped, but the database's clock has leapt ahead",
    },
  ]);
});

test("partitions beyond the limit are a notice that says when they go", async () => {
  expect(await ofEvents()).toMatchObject({
    state: "notice",
    detail: expect.stringContaining("event_from_1, event_from_10000001 should be gone"),
    remedy: expect.stringContaining("within two minutes"),
  });
});

test("a retired partition is a notice while it is archived", async () => {
  await retire("event_from_1");

  expect(await ofEvents()).toMatchObject({
    state: "notice",
    detail: expect.stringMatching(/; event_from_1 is being archived or dropped$/),
    facts: { retired: ["event_from_1"] },
  });
});

test("a retired partition that is still there when the next is retired is wrong", async () => {
  await retire("event_from_1");
  await retire("event_from_10000001");

  expect(await ofEvents()).toMatchObject({
    state: "wrong",
    detail: "event_from_1, event_from_10000001 should be archived and dropped by now",
    remedy: expect.stringContaining("archive_dir"),
  });
});

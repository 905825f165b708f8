import { afterEach, beforeEach, expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { sentBatch } from "./model-database.ts";
import { openRig, type PipelineRig } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

test("a batch with very many matches is stored in pieces, in order", async () => {
  for (let n = 0; n < 250; n += 1) {
    await insertRule(rig.database, { ref: `demo.many${n}`, triggerRef: "demo.tick" });
  }
  let statements = 0;
  const database: Queryable = {
    query(asked) {
      if (asked.name?.startsWith("store_batch") === true) statements += 1;
      return rig.database.query(asked);
    },
  };
  await using running = await rig.start({ database });

  const outcomes = await Promise.all(
    Array.from({ length: 101 }, (_, n) => running.pipeline.accept(rig.tick({ payload: { n } }))),
  );

  expect(outcomes.every(({ kind }) => kind === "stored")).toBe(true);
  expect(await rig.countOf("enforcement")).toBe(101 * (await rig.countOf("rule")));
  // The first alone or with those that came at once; a full batch of 100 has more than 20,000 matches.
  expect(statements).toBeGreaterThanOrEqual(3);
  const order = await query<{ n: number }>(
    rig.database,
    "select (payload ->> 'n')::int as n from event order by id",
  );
  expect(order.map(({ n }) => n)).toEqual(Array.from({ length: 101 }, (_, n) => n));
}, 60_000);

test.each([
  ["written into texts", { m: "of {{ event.payload.x }} ".repeat(40) }],
  ["taken whole", Object.fromEntries(Array.from({ length: 40 }, (_, n) => [n, "{{ event.payload }}"]))],
])("an event whose matches are too large is refused alone: %s", async (_, actionParams) => {
  const { database } = rig;
  await insertRule(database, { ref: "demo.wordy", triggerRef: "demo.tick", actionParams });
  const rules = await openRuleSource({
    database,
    intervalMs: 60_000,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  await using running = await rig.start({ rules });

  const sizes = [1, 15_000_000, 1, 1_000_000, 1_000_000, 1];
  const outcomes = await Promise.all(
    sizes.map((length) => running.pipeline.accept(rig.tick({ payload: { x: "y".repeat(length) } }))),
  );

  // Two of a million are too much for one batch, and not each for itself.
  expect(outcomes.map(({ kind }) => kind)).toEqual(sizes.map((n) => (n > 5e6 ? "refused" : "stored")));
  expect(outcomes[1]).toMatchObject({ reason: expect.stringContaining("67108864 characters") });
});

// The snapshot of a sensor's configuration is written with each of its events, and read once.
test("a statement is bounded in what it writes, not only in what it reads", async () => {
  const source = { ...rig.source, sensorConfig: { text: "x".repeat(100_000) } };
  const counts: number[] = [];
  const database: Queryable = {
    query(asked) {
      if (asked.name?.startsWith("store_batch") === true)
        counts.push(sentBatch(asked.name, asked.values ?? []).events.length);
      return rig.database.query(asked);
    },
  };
  await using running = await rig.start({ database });

  const outcomes = await Promise.all(
    Array.from({ length: 90 }, (_, n) => running.pipeline.accept(rig.tick({ source, payload: { n } }))),
  );

  expect(outcomes.every(({ kind }) => kind === "stored")).toBe(true);
  // Four times batchBytesMax.
  expect(Math.max(...counts)).toBeLessThanOrEqual(40);
  expect(counts).toHaveLength(3);
});

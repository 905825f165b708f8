import { afterEach, beforeEach, expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { losingAnswers, openRig, type PipelineRig } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const checkpoints = (): Promise<object[]> => query(rig.database, "select value from sensor_checkpoint");

test("a checkpoint moves without an event", async () => {
  await using running = await rig.start();

  expect(await running.pipeline.advance({ source: rig.source, checkpoint: { page: 3 } })).toEqual({
    kind: "stored",
  });

  expect(await checkpoints()).toEqual([{ value: { page: 3 } }]);
  expect(await rig.countOf("event")).toBe(0);
});

// Goal: a checkpoint never covers an event that is not stored.
// Method: every statement's own checkpoint is compared with the events stored after it.
test("moves and events of a sensor are stored in the order they came", async () => {
  const seen: { events: number; checkpoint: number }[] = [];
  const database: Queryable = {
    async query(statement) {
      const result = await rig.database.query(statement);
      if (statement.name?.startsWith("store_batch") === true) {
        const [row] = await query<{ events: number; checkpoint: number }>(
          rig.database,
          "select (select count(*)::int from event) as events, value::int as checkpoint from sensor_checkpoint",
        );
        if (row !== undefined) seen.push(row);
      }
      return result;
    },
  };
  await using running = await rig.start({ database });

  await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      await running.pipeline.accept(rig.tick({ payload: { n } }));
      return running.pipeline.advance({ source: rig.source, checkpoint: n + 1 });
    }),
  );
  const moved = Array.from({ length: 300 }, (_, n) => [
    running.pipeline.accept(rig.tick({ payload: { n: 300 + n } })),
    running.pipeline.advance({ source: rig.source, checkpoint: 301 + n }),
  ]);
  await Promise.all(moved.flat());

  expect(seen.length).toBeGreaterThan(2);
  for (const { events, checkpoint } of seen) expect(checkpoint).toBeLessThanOrEqual(events);
  expect(await checkpoints()).toEqual([{ value: 600 }]);
});

test("a move of an assignment that is no longer held is fenced, even next to events that are stored", async () => {
  await using running = await rig.start();
  const past = { ...rig.source, term: { generation: "0", instance: rig.instance } };

  const [moved, stored] = await Promise.all([
    running.pipeline.advance({ source: past, checkpoint: 1 }),
    running.pipeline.accept(rig.tick()),
  ]);

  expect(moved).toEqual({ kind: "fenced" });
  expect(stored.kind).toBe("stored");
  expect(await checkpoints()).toEqual([]);
});

test("a move that can never be stored is refused with the reason", async () => {
  await using running = await rig.start();
  const { source } = rig;

  expect(await running.pipeline.advance({ source, checkpoint: "\u0000" })).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("NUL"),
  });
  expect(await running.pipeline.advance({ source: { ...source, term: null }, checkpoint: 1 })).toMatchObject({
    kind: "refused",
  });
});

test.each(["before", "after"] as const)(
  "a move whose answer is lost %s its commit is stored",
  async (when) => {
    const database = losingAnswers(rig.database, "store_batch", [when]);
    await using running = await rig.start({ database });

    expect(await running.pipeline.advance({ source: rig.source, checkpoint: 7 })).toEqual({ kind: "stored" });

    expect(await checkpoints()).toEqual([{ value: 7 }]);
  },
);

test.each([
  ["has a NUL in its payload", { payload: { text: "\u0000" } }],
  ["has half a surrogate in its payload", { payload: { text: "\ud800" } }],
  ["has a NUL in its dedup_key", { dedupKey: "\u0000" }],
  ["has a NUL in its trigger_instance_id", { triggerInstanceId: "rule_a\0b" }],
  ["is of an unknown trigger", { triggerRef: "demo.none" }],
  ["is refused by the database", { payload: { n: 13 } }],
])("the checkpoint of an event that %s moves on when the event is refused", async (_, change) => {
  await query(rig.database, "alter table event add constraint odd check ((payload->>'n')::int <> 13)");
  await using running = await rig.start();

  const outcomes = await Promise.all([
    running.pipeline.accept(rig.tick({ payload: { n: 1 } })),
    running.pipeline.accept(rig.tick({ payload: { n: 2 } })),
    running.pipeline.accept(rig.tick({ ...change, checkpoint: 3 })),
  ]);

  expect(outcomes.map(({ kind }) => kind)).toEqual(["stored", "stored", "refused"]);
  expect(await checkpoints()).toEqual([{ value: 3 }]);
});

test("a refused event's checkpoint does not go before earlier events, nor over later ones", async () => {
  await using running = await rig.start();

  await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      running.pipeline.accept(rig.tick({ payload: n % 2 === 0 ? { text: "\u0000" } : { n }, checkpoint: n })),
    ),
  );

  expect(await rig.countOf("event")).toBe(25);
  expect(await checkpoints()).toEqual([{ value: 49 }]);
});

test("a refused event of an assignment that is no longer held is fenced", async () => {
  await using running = await rig.start();
  const past = { ...rig.source, term: { generation: "0", instance: rig.instance } };

  const outcome = await running.pipeline.accept(
    rig.tick({ source: past, payload: { text: "\u0000" }, checkpoint: 1 }),
  );

  expect(outcome).toEqual({ kind: "fenced" });
});

// Goal: a process that dies before it has matched a batch again has moved no checkpoint past events that are not stored.
test("a checkpoint does not move with a batch that was matched under older rules", async () => {
  const moved: number[] = [];
  const database: Queryable = {
    async query(statement) {
      const result = await rig.database.query(statement);
      if (statement.name?.startsWith("store_batch") === true)
        moved.push(await rig.countOf("sensor_checkpoint"));
      return result;
    },
  };
  await using running = await rig.start({ database });
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });

  await running.pipeline.accept(rig.tick({ checkpoint: 1 }));

  expect(moved).toEqual([0, 1]);
});

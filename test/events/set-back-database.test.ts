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

/** As another worker would, after the database came back as it was before it gave out this pipeline's ids. */
async function setBack(sequence: "event_id_seq" | "enforcement_id_seq", insert: string): Promise<void> {
  await query(rig.database, `select setval('${sequence}', 1)`);
  await query(rig.database, insert);
}

const foreignEvents = `insert into event (trigger_ref, payload)
  select 'demo.tick', '{"foreign": true}' from generate_series(1, 3)`;

test("events whose ids a restored database has assigned to others are stored with new ids", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await rig.start();
  await running.pipeline.accept(rig.tick({ payload: { n: 0 } }));
  await setBack("event_id_seq", foreignEvents);

  const outcomes = await Promise.all(
    [1, 2, 3, 4, 5].map((n) => running.pipeline.accept(rig.tick({ payload: { n }, checkpoint: n }))),
  );

  expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => "stored"));
  expect(await query(rig.database, "select payload -> 'n' as n from event order by id")).toEqual(
    [0, null, null, null, 1, 2, 3, 4, 5].map((n) => ({ n })),
  );
  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: 5 }]);
  expect(await rig.countOf("enforcement")).toBe(6);
  expect(new Set(running.sent.map(({ messageId }) => messageId)).size).toBe(12);
});

test("enforcements whose ids were given to others are stored with new ones", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await rig.start();
  await running.pipeline.accept(rig.tick());
  await setBack(
    "enforcement_id_seq",
    "insert into enforcement (rule_ref, trigger_ref) select 'other', 'demo.tick' from generate_series(1, 3)",
  );

  const outcome = await running.pipeline.accept(rig.tick());

  expect(outcome.kind).toBe("stored");
  expect(
    await query(rig.database, "select rule_ref from enforcement where event is not null order by id"),
  ).toEqual([{ rule_ref: "demo.rule" }, { rule_ref: "demo.rule" }]);
});

// Goal: the order of checkpoints, and the difference of message ids, outlive a failover.
// Method: the sequences are set back behind what the pipeline holds, and it uses up what it holds.
test("after the database was set back, checkpoints move on and no message id is used again", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await rig.start();
  const acceptUpTo = async (first: number, last: number): Promise<void> => {
    for (let next = first; next <= last; next += 100) {
      const numbers = Array.from({ length: 100 }, (_, index) => next + index);
      await Promise.all(
        numbers.map((n) => running.pipeline.accept(rig.tick({ payload: { n }, checkpoint: n }))),
      );
    }
  };
  await acceptUpTo(1, 2_000);
  // What the primary has lost.
  await query(rig.database, "delete from enforcement where event > 100");
  await query(rig.database, "delete from outbox where event > 100 or enforcement > 100");
  await query(rig.database, "delete from event where id > 100");
  await query(rig.database, "update sensor_checkpoint set value = '100', event = 100");
  await query(rig.database, "select setval('event_id_seq', 200), setval('enforcement_id_seq', 200)");

  await acceptUpTo(2_001, 3_700);

  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: 3_700 }]);
  expect(await rig.countOf("event")).toBe(1_800);
  expect(await rig.countOf("enforcement")).toBe(1_800);
  expect(new Set(running.sent.map(({ messageId }) => messageId)).size).toBe(running.sent.length);
});

test("a sequence that a restoration left far behind is moved on at once", async () => {
  await query(
    rig.database,
    `insert into event (id, trigger_ref, payload) select id, 'demo.tick', '{}' from generate_series(1, 20000) as id`,
  );
  await query(rig.database, "select setval('event_id_seq', 1, false)");
  let attempts = 0;
  const database: Queryable = {
    query(statement) {
      if (statement.name?.startsWith("store_batch") === true) attempts += 1;
      return rig.database.query(statement);
    },
  };
  await using running = await rig.start({ database });

  expect(await running.pipeline.accept(rig.tick({ checkpoint: 1 }))).toMatchObject({ kind: "stored" });

  expect(attempts).toBe(2);
  expect(await rig.countOf("event")).toBe(20_001);
});

test("another event of the same id is not taken for one whose answer was lost", async () => {
  const losses: "before"[] = [];
  await using running = await rig.start({ database: losingAnswers(rig.database, "store_batch", losses) });
  await running.pipeline.accept(rig.tick({ payload: { n: 0 } }));
  await setBack("event_id_seq", foreignEvents);
  losses.push("before");

  const outcome = await running.pipeline.accept(rig.tick({ payload: { n: 1 } }));

  expect(outcome.kind).toBe("stored");
  expect(await query(rig.database, "select count(*)::int from event where payload = '{\"n\": 1}'")).toEqual([
    { count: 1 },
  ]);
});

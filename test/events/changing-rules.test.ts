/** Batches of events while rules change. */
import { expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import type { AcceptOutcome } from "../../src/model/sensors/incoming-event.ts";
import { openRuleSource, type DatabaseRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { openRig, type PipelineRig } from "./pipeline-rig.ts";

function openRules(database: Queryable): Promise<DatabaseRuleSource> {
  return openRuleSource({
    database,
    intervalMs: 60_000,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
}

async function countOfVersion(rig: PipelineRig, version: number): Promise<number> {
  const [row] = await query<{ count: number }>(
    rig.database,
    "select count(*)::int as count from enforcement where config ->> 'version' = $1",
    [`${version}`],
  );
  return row?.count ?? 0;
}

// Goal: once a change of a rule is visible, nothing is stored under the rule as it was.
// Method: several agents store events as fast as they can while a rule's action_params count versions. What is stored of a
// version is counted with the first snapshot after the next version's commit, and again at the end. A session's default
// isolation must not matter, since it decides what a statement sees after it waited for a lock.
test.each(["read committed", "repeatable read"])(
  "no batch is stored under an older rule after its change, with %s as the default",
  async (isolation) => {
    await using rig = await openRig();
    const [row] = await query<{ name: string }>(rig.database, "select current_database() as name");
    await query(
      rig.database,
      `alter database "${row?.name}" set default_transaction_isolation to '${isolation}'`,
    );
    const rule = await insertRule(rig.database, {
      ref: "demo.versioned",
      triggerRef: "demo.tick",
      actionParams: { version: "0" },
    });
    await using running = new AsyncDisposableStack();
    const over = new AbortController();
    const floods: Promise<unknown>[] = [];
    for (let agent = 0; agent < 3; agent += 1) {
      const started = running.use(await rig.start({ rules: await openRules(rig.database) }));
      const source = await rig.addSensor(`demo.sensor_${agent}`);
      const emit = async (): Promise<void> => {
        while (!over.signal.aborted) await started.pipeline.accept(rig.tick({ source }));
      };
      floods.push(...Array.from({ length: 20 }, emit));
    }

    const writer = await rig.fresh.connect();
    const counted: number[] = [];
    for (let version = 1; version <= 60; version += 1) {
      await writer.query(
        "update rule set action_params = jsonb_build_object('version', $1::text) where id = $2",
        [`${version}`, rule],
      );
      counted.push(await countOfVersion(rig, version - 1));
      if (version % 10 === 0) await expect.poll(() => countOfVersion(rig, version)).toBeGreaterThan(0);
    }
    over.abort();
    await Promise.all(floods);

    const atEnd = await Promise.all(counted.map((_, version) => countOfVersion(rig, version)));
    expect(atEnd).toEqual(counted);
  },
  60_000,
);

test("a change of another trigger's rules, or of labels, matches no batch again", async () => {
  await using rig = await openRig();
  await insertTrigger(rig.database, "demo.other");
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await insertRule(rig.database, { ref: "demo.elsewhere", triggerRef: "demo.other" });
  const rules = await openRules(rig.database);
  const refusals: unknown[] = [];
  const database: Queryable = {
    async query(asked) {
      const answer = await rig.database.query(asked);
      if (asked.name?.startsWith("store_batch") === true && Object(answer.rows[0]).is_current !== true)
        refusals.push(asked.values?.[6]);
      return answer;
    },
  };
  await using running = await rig.start({ rules, database });
  const store = (triggerRef = "demo.tick"): Promise<AcceptOutcome> =>
    running.pipeline.accept(rig.tick({ triggerRef }));

  for (const change of [
    "update rule set label = 'x', description = 'y'",
    "update trigger set label = 'x', description = 'y'",
    "update rule set conditions = '[]' where ref = 'demo.elsewhere'",
    "update trigger set param_schema = '{\"x\": 1}' where ref = 'demo.other'",
    "delete from rule where ref = 'demo.elsewhere'",
    "insert into rule (ref, action_ref, trigger_ref, enabled) values ('demo.off', 'a', 'demo.tick', false)",
    "update rule set conditions = '[]' where ref = 'demo.off'",
  ]) {
    await query(rig.database, change);
    expect(await store()).toMatchObject({ kind: "stored" });
  }
  expect(refusals).toEqual([]);

  expect(await store("demo.other")).toMatchObject({ kind: "stored" });
  await query(rig.database, "update rule set enabled = true where ref = 'demo.off'");
  expect(await store()).toMatchObject({ kind: "stored" });
  expect(refusals).toHaveLength(2);
});

// Row locks that several transactions share are kept in multixacts, which wear a server out.
test("batches that run side by side share no row's lock", async () => {
  await using rig = await openRig();
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  const rules = await openRules(rig.database);
  await using parts = new AsyncDisposableStack();
  const agents = [];
  for (let n = 0; n < 3; n += 1) {
    const agent = parts.use(await rig.start({ rules }));
    agents.push({ agent, source: await rig.addSensor(`demo.sensor_${n}`) });
  }
  const multixacts = async (): Promise<number> => {
    const [row] = await query<{ age: number }>(rig.database, "select mxid_age('1'::xid) as age");
    return row?.age ?? 0;
  };
  const before = await multixacts();

  await Promise.all(
    agents.flatMap(({ agent, source }) =>
      Array.from({ length: 10 }, async () => {
        for (let n = 0; n < 60; n += 1) await agent.pipeline.accept(rig.tick({ source }));
      }),
    ),
  );

  // Other tests' agents use the same server.
  expect((await multixacts()) - before).toBeLessThan(18);
});

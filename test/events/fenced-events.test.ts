import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { insertRule, query } from "../support/platform-rows.ts";
import { openRig, type PipelineRig } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

test("an event of an assignment that is no longer held is fenced, and the others of its batch are stored", async () => {
  await using running = await rig.start();
  const past = { ...rig.source, term: { generation: "0", instance: rig.instance } };
  const foreign = { ...rig.source, term: { generation: "1", instance: randomUUID() } };

  const outcomes = await Promise.all([
    running.pipeline.accept(rig.tick({ source: past, checkpoint: "old" })),
    running.pipeline.accept(rig.tick()),
  ]);

  expect(outcomes.map(({ kind }) => kind)).toEqual(["fenced", "stored"]);
  expect((await running.pipeline.accept(rig.tick({ source: foreign, checkpoint: "old" }))).kind).toBe(
    "fenced",
  );
  expect(await rig.countOf("event")).toBe(1);
  expect(await rig.countOf("sensor_checkpoint")).toBe(0);
});

// The batch must not read the assignment as it was before a claim that is about to commit.
test("a batch waits for a claim that is under way, and its events are fenced", async () => {
  await using running = await rig.start();
  const claimed = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const claim = rig.database.transaction(async (transaction) => {
    await query(transaction, "update sensor_assignment set generation = 2, instance = $1", [randomUUID()]);
    claimed.resolve();
    await mayCommit.promise;
  });
  await claimed.promise;

  const accepted = running.pipeline.accept(rig.tick());
  await expect
    .poll(() => query(rig.database, waitingStatements), { timeout: 20_000 })
    .toEqual([{ count: "1" }]);
  mayCommit.resolve();
  await claim;

  expect((await accepted).kind).toBe("fenced");
});

const waitingStatements = `select count(*)::text as count from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock'`;

// Goal: a user who deletes a pack with its sensors and rules is not the victim of a deadlock with events.
// Method: a transaction that has deleted the sensor is left open until a batch waits for it, for longer than the
// server takes to look for deadlocks; then it commits, which raises the revision.
test("a batch that waits for the deletion of its sensor does not deadlock with the change of a rule in it", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  const operator = await rig.fresh.connect();
  await operator.query("begin; delete from rule; delete from sensor");
  await using running = await rig.start();

  const outcome = running.pipeline.accept(rig.tick());
  const waiting =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  await expect.poll(() => query(rig.database, waiting), { timeout: 20_000 }).toHaveLength(1);
  await sleep(1_200); // deadlock_timeout is 1 s.
  await operator.query("commit");

  expect(await outcome).toEqual({ kind: "fenced" });
});

/**
 * Which sensors run, as their rows and assignments change.
 */
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { AcceptOutcome } from "../../src/model/sensors/incoming-event.ts";
import { currentRules } from "../../src/sensors/current-rules.ts";
import { isRunning } from "../../scripts/services/is-running.ts";
import { insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { sensorBench } from "./sensor-bench.ts";

const wait = "while :; do sleep 0.02; done";
const script = `echo "{\\"pid\\": $$}"; ${wait}`;
const restart = {
  isRestartEnabled: true,
  delayMsFirst: 60_000,
  delayMsMax: 60_000,
  restartsMax: 3,
  stableAfterMs: 60_000,
};

test("a changed configuration restarts the sensor with it; a new label does not", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running" });

  await query(bench.database, "update sensor set label = 'new' where id = $1", [id]);
  bench.manager.wake();
  await query(bench.database, `update sensor set config = config || '{"extra": 1}' where id = $1`, [id]);
  bench.manager.wake();

  const row = await bench.rowMatching(id, {
    status: "running",
    pid: expect.toSatisfy((now) => now !== null && now !== pid),
  });
  expect(isRunning(pid ?? 0)).toBe(false);
  expect(isRunning(row.pid ?? 0)).toBe(true);
  expect(bench.events.length).toBe(2);
  expect(bench.counts.sensorRestarted).toBe(0);
});

test("a change that does not affect the process does not restart it", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running" });
  const other = await bench.add("test.two", { script });

  await query(bench.database, `update sensor set label = 'new', param_schema = '{"x": 1}' where id = $1`, [
    id,
  ]);
  await query(bench.database, `update rule set conditions = '[]', action_params = '{"a": 1}'`);
  bench.manager.wake();
  await bench.rowMatching(other, { status: "running" }); // So the change has been looked at.

  expect(await bench.rowOf(id)).toMatchObject({ status: "running", pid });
});

test("changed parameters of a rule restart its sensor", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running" });

  await query(bench.database, `update rule set trigger_params = '{"path": "/tmp"}'`);
  bench.manager.wake();

  await bench.rowMatching(id, {
    status: "running",
    pid: expect.toSatisfy((now) => now !== null && now !== pid),
  });
});

test("a sensor without an enabled rule is stopped, and runs again when it has one", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  await bench.rowMatching(id, { status: "running" });

  await query(bench.database, "update rule set enabled = false");
  bench.manager.wake();
  await bench.rowMatching(id, { status: "stopped", reason: "no enabled rule needs its events" });
  expect(bench.manager.isRunning(id)).toBe(false);
  expect(bench.stopped).toEqual([id]);
  await query(bench.database, "update rule set enabled = true");
  bench.manager.wake();

  await bench.rowMatching(id, { status: "running", reason: null });
});

test("a sensor whose enabled rules cannot be used says so, and which to correct", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  await query(
    bench.database,
    `insert into rule (ref, action_ref, trigger_ref, trigger_params)
     select 'p.r' || n, 'a', trigger_ref, '{}' from rule, generate_series(1, 4) as n`,
  );
  await query(bench.database, "update rule set trigger_params = '[1]'");
  bench.manager.start();

  await bench.rowMatching(id, {
    status: "stopped",
    reason: expect.stringMatching(
      /^none of its enabled rules can be used: correct the trigger_params of .+, .+, .+ and 2 more, which must be a JSON object/,
    ),
  });
});

test("a disabled trigger counts as one without rules, and a further trigger of the sensor counts", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  await query(bench.database, "update trigger set enabled = false");
  bench.manager.start();
  await bench.rowMatching(id, { status: "stopped" });

  const further = await insertTrigger(bench.database, "test.further");
  await query(bench.database, "insert into sensor_trigger (sensor, trigger) values ($1, $2)", [id, further]);
  await query(
    bench.database,
    "insert into rule (ref, action_ref, trigger_ref) values ('r', 'a', 'test.further')",
  );
  bench.manager.wake();

  await bench.rowMatching(id, { status: "running" });
});

test("an undecodable or unsupported sensor is reported and affects no other", async () => {
  await using bench = await sensorBench();
  const odd = await bench.add("test.odd", { protocol: "telepathy" });
  const listed = await bench.add("test.listed", { script });
  await query(bench.database, "update sensor set config = '[1]' where id = $1", [listed]);
  const deep = await bench.add("test.deep", { script });
  await query(
    bench.database,
    "update sensor set config = jsonb_build_object('a', (repeat('[', 2000) || repeat(']', 2000))::jsonb) where id = $1",
    [deep],
  );
  const builtin = await bench.add("test.timer", { runtimeRef: "core.sensor.builtin" });
  const fine = await bench.add("test.fine", { script });
  bench.manager.start();

  await bench.rowMatching(fine, { status: "running" });
  await bench.rowMatching(odd, { status: "failed", reason: expect.stringContaining("telepathy") });
  await bench.rowMatching(listed, { status: "failed", reason: "its config is not a JSON object" });
  const tooDeep = "its config is nested more than 500 levels deep";
  await bench.rowMatching(deep, { status: "failed", reason: tooDeep });
  await bench.rowMatching(builtin, {
    status: "failed",
    reason: expect.stringContaining("is no built-in sensor of this version"),
  });
  expect(bench.manager.countByState()).toEqual({
    starting: 0,
    running: 1,
    backoff: 0,
    failed: 4,
    stopped: 0,
  });
});

// Goal: a rule that cannot be used does not affect the others, as docs/rules.md promises, even if SQL wrote it.
test("rules whose trigger_params are no usable object are left out, and the sensor runs for the others", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", {
    script: `echo "{\\"rules\\": $ATTUNE_SENSOR_TRIGGERS}"; ${wait}`,
  });
  const deep = `${"[".repeat(600)}${"]".repeat(600)}`;
  for (const params of ["[]", '"x"', "5", `{"deep": ${deep}}`]) {
    await query(
      bench.database,
      `insert into rule (ref, action_ref, trigger_ref, trigger_params)
       values ('test.odd' || (select count(*) from rule), 'a', 'test.happened', $1)`,
      [params],
    );
  }
  bench.manager.start();

  await bench.rowMatching(id, { status: "running" });

  const usable = [expect.objectContaining({ ref: "test.rule" })];
  await expect.poll(bench.payloads).toEqual([{ rules: usable }]);
  expect(await currentRules(bench.database, id)).toEqual(usable);
});

test("any write to the row of a failed sensor tries it at once", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, restartsMax: 0 } } });
  const id = await bench.add("test.one", { script: `[ -e repaired ] || exit 1; ${wait}` });
  bench.manager.start();
  await bench.rowMatching(id, { status: "failed" });
  writeFileSync(`${bench.folder}/packs/test/repaired`, "");

  await query(bench.database, "update sensor set enabled = enabled where id = $1", [id]);
  bench.manager.wake();

  await bench.rowMatching(id, { status: "running", failures: 0 });
});

test("a lost assignment stops the sensor even while the database is unreachable", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running" });
  await bench.add("test.other", { script }); // So there is something to ask the database for.
  await query(bench.database, "alter table sensor rename to sensor_away");

  bench.held.delete(id);
  bench.manager.wake();

  await expect.poll(() => isRunning(pid ?? 0), { timeout: 20_000 }).toBe(false);
  await expect.poll(() => bench.stopped).toEqual([id]);
  await query(bench.database, "alter table sensor_away rename to sensor");
});

test("a new generation of the assignment restarts the sensor under it", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1);

  bench.held.set(id, { ...bench.term, generation: "2" });
  bench.manager.wake();

  await expect.poll(() => bench.events.at(-1)?.source?.term?.generation, { timeout: 20_000 }).toBe("2");
});

test("why a sensor does not run is written again under a new generation of the assignment", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.odd", { protocol: "telepathy" });
  bench.manager.start();
  await bench.rowMatching(id, { status: "failed" });
  await query(bench.database, "update sensor_process set status = 'running', reason = null");

  bench.held.set(id, { ...bench.term, generation: "2" });
  bench.manager.wake();

  await bench.rowMatching(id, { status: "failed", reason: expect.stringContaining("telepathy") });
});

// Goal: two sensors with one ref, such as a deleted one and its successor, never have processes at the same time.
// Method: the former program takes until a file is there to stop. Another sensor, started in the same step of the manager,
// shows that the step that found the successor is over.
test("a sensor starts only once a deleted one with its ref has stopped", async () => {
  await using bench = await sensorBench({ limits: { graceMs: 20_000 } });
  const go = `${bench.folder}/go`;
  const stubborn = `trap 'while [ ! -e ${go} ]; do sleep 0.01; done; exit 0' TERM; ${script}`;
  const former = await bench.add("test.one", { script: stubborn });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1);
  const { pid } = await bench.rowMatching(former, { status: "running" });

  bench.held.delete(former);
  await query(bench.database, "delete from sensor where id = $1", [former]);
  const successor = await bench.add("test.one", { script });
  const other = await bench.add("test.other", { script });
  bench.manager.wake();
  await bench.rowMatching(other, { status: "running" });
  expect(isRunning(pid ?? 0)).toBe(true);
  expect(bench.manager.isRunning(successor)).toBe(false);
  writeFileSync(go, "");

  await bench.rowMatching(successor, { status: "running" });
  expect(isRunning(pid ?? 0)).toBe(false);
});

test("sensors that exchange their refs both start again", async () => {
  await using bench = await sensorBench();
  const one = await bench.add("test.one", { script });
  const two = await bench.add("test.two", { script });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(2);

  await query(bench.database, "update sensor set ref = 'test.three' where id = $1", [one]);
  await query(bench.database, "update sensor set ref = 'test.one' where id = $1", [two]);
  await query(bench.database, "update sensor set ref = 'test.two' where id = $1", [one]);
  bench.manager.wake();

  await expect.poll(() => bench.events.length).toBe(4);
  const started = bench.events
    .slice(2)
    .map(({ source }) => ({ id: source?.sensorId, ref: source?.sensorRef }));
  expect(started).toContainEqual({ id: one, ref: "test.two" });
  expect(started).toContainEqual({ id: two, ref: "test.one" });
});

test("a refusal for want of the assignment wakes the comparison", async () => {
  const accept = async (): Promise<AcceptOutcome> => ({ kind: "fenced" });
  await using bench = await sensorBench({ accept });
  const id = await bench.add("test.one", { script: `sleep 0.3; ${script}` });
  bench.manager.start();
  await bench.rowMatching(id, { status: "running" });

  bench.held.clear(); // Nobody tells the manager.

  await expect.poll(() => bench.manager.isRunning(id), { timeout: 20_000 }).toBe(false);
});

test("states that cannot be written are written later, while the sensor keeps running", async () => {
  await using bench = await sensorBench();
  await query(bench.database, "alter table sensor_process rename to sensor_process_away");
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1);

  await query(bench.database, "alter table sensor_process_away rename to sensor_process");

  await bench.rowMatching(id, { status: "running" });
});

test("a late report does not overwrite that of the worker which holds the sensor now", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  await bench.rowMatching(id, { status: "running" });
  const instance = randomUUID();
  const holder = await insertWorker(bench.database, { name: "other", instance, leaseSeconds: 600 });
  await query(
    bench.database,
    `insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at)
     values ($1, $2, $3, 2, now() + interval '10 minutes')`,
    [id, holder, instance],
  );
  await query(bench.database, "update sensor_process set reason = 'of the new holder'");

  await bench.manager.stop();

  expect(await bench.rowOf(id)).toMatchObject({ status: "running", reason: "of the new holder" });
});

test("a sensor starts again from the newest committed checkpoint, not from one still on its way", async () => {
  const gate = Promise.withResolvers<void>();
  await using bench = await sensorBench({
    accept: async (event) => {
      await gate.promise;
      if (event.checkpoint !== undefined) {
        const value = JSON.stringify(event.checkpoint);
        await query(
          bench.database,
          `insert into sensor_checkpoint (sensor, value) values ($1, $2)
           on conflict (sensor) do update set value = excluded.value`,
          [event.source?.sensorId, value],
        );
      }
      return { kind: "stored", eventId: "1" };
    },
    limits: { restart: { ...restart, delayMsFirst: 10, stableAfterMs: 0 } },
  });
  const once = `
    if [ -z "$ATTUNE_SENSOR_CHECKPOINT" ]; then echo '{"payload": {}, "checkpoint": {"at": 7}}'; exit 1; fi
    printf '{"payload": {"resumed": %s}}\\n' "$ATTUNE_SENSOR_CHECKPOINT"; ${wait}`;
  const id = await bench.add("test.resumes", { script: once });
  bench.manager.start();
  await expect.poll(() => bench.counts.sensorRestarted).toBe(1);
  expect(await bench.rowMatching(id, { status: "starting" })).toMatchObject({ pid: null });

  gate.resolve();

  await expect.poll(bench.payloads).toEqual([{}, { resumed: { at: 7 } }]);
});

// Goal: an event is never emitted a second time because its sensor was restarted before it was stored.
// Method: nothing is stored, as with a locked table, until long after the stop's limits; the
// sensor emits its event only without a checkpoint.
test("a changed sensor starts again only once its last events are stored, however long that takes", async () => {
  const gate = Promise.withResolvers<void>();
  await using bench = await sensorBench({
    accept: async (event) => {
      await gate.promise;
      if (event.checkpoint !== undefined)
        await query(bench.database, "insert into sensor_checkpoint (sensor, value) values ($1, '1')", [
          event.source?.sensorId,
        ]);
      return { kind: "stored", eventId: "1" };
    },
    limits: { graceMs: 100, settleMs: 100 },
  });
  const once = `
    if [ -z "$ATTUNE_SENSOR_CHECKPOINT" ]; then echo '{"payload": {}, "checkpoint": 1}';
    else echo '{"resumed": true}'; fi; ${wait}`;
  const id = await bench.add("test.once", { script: once });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1);

  await query(bench.database, "update sensor set config = config || '{\"new\": 1}'");
  bench.manager.wake();
  await bench.rowMatching(id, { pid: null });
  // Well past the limits: nothing may happen, so there is nothing to wait for.
  await sleep(600);
  expect(bench.manager.isRunning(id)).toBe(true);
  gate.resolve();

  await expect.poll(bench.payloads).toEqual([{}, { resumed: true }]);
});

test("a sensor waits for the verification of its runtime's row, without a failure and an alert", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, isRestartEnabled: false } } });
  bench.pendingRuntimes.add("test.other");
  const id = await bench.add("test.one", { runtimeRef: "test.other", script: "echo '{}'; sleep 300" });
  bench.manager.start();
  await bench.rowMatching(id, {
    status: "stopped",
    failures: 0,
    reason: "its runtime test.other is not verified yet",
  });

  const shell = bench.runtimes.get("core.sensor.shell");
  if (shell !== undefined) bench.runtimes.set("test.other", { ...shell, ref: "test.other" });
  bench.manager.wake();

  await bench.rowMatching(id, { status: "running", failures: 0 });
  expect(bench.alerts).toEqual([]);
});

test("a restart stops the process and starts another, and says that it runs", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running" });

  expect(await bench.manager.restart(id, 10_000)).toEqual({ kind: "restarted", state: "running" });

  expect(isRunning(pid ?? 0)).toBe(false);
  const row = await bench.rowMatching(id, {
    status: "running",
    pid: expect.toSatisfy((now) => now !== null && now !== pid),
  });
  expect(isRunning(row.pid ?? 0)).toBe(true);
});

test("a failed sensor is tried at once when it is restarted", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, restartsMax: 0 } } });
  const id = await bench.add("test.crash", { script: "exit 3" });
  bench.manager.start();
  await bench.rowMatching(id, { status: "failed", failures: 1 });

  expect(await bench.manager.restart(id, 10_000)).toMatchObject({ kind: "restarted" });

  await expect.poll(() => bench.statuses.filter((status) => status === "test.crash failed").length).toBe(2);
});

test("a restart that takes longer than the caller waits goes on", async () => {
  await using bench = await sensorBench({ limits: { graceMs: 500 } });
  const id = await bench.add("test.slow", { script: `trap '' TERM; ${script}` });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running" });
  await expect.poll(() => bench.events.length).toBe(1);

  expect(await bench.manager.restart(id, 1)).toEqual({ kind: "under-way" });

  await bench.rowMatching(id, {
    status: "running",
    pid: expect.toSatisfy((now) => now !== null && now !== pid),
  });
});

test("a sensor that is not to run here is not restarted, and the reason is given", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { script });
  await query(bench.database, "update sensor set enabled = false");
  bench.manager.start();
  await bench.rowMatching(id, { status: "stopped" });

  expect(await bench.manager.restart(id, 10_000)).toEqual({ kind: "refused", reason: "it is disabled" });
  expect(await bench.manager.restart("999", 10_000)).toMatchObject({ kind: "refused" });
});

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { ProcessRecorder } from "../../../src/sensors/report/process-recorder.ts";
import { unstartedReport } from "../../../src/sensors/report/sensor-notes.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { insertSensor, insertTrigger, query } from "../../support/platform-rows.ts";
import { freshDatabase } from "../../support/postgres.ts";

const soon = { timeout: 10_000, interval: 10 };

async function scene() {
  const fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "test.happened");
  const id = await insertSensor(database, { ref: "test.one", triggerRef: "test.happened" });
  const clock = fakeClock();
  const recorder = new ProcessRecorder({
    database,
    clock,
    logger: silentLogger,
    random: () => 0,
  });
  return {
    id,
    clock,
    recorder,
    database,
    connect: () => fresh.connect(),
    async afterASecond<T>(read: () => Promise<T>): Promise<T> {
      await clock.advance(1_000);
      return await read();
    },
    rows: () =>
      query<{ status: string; reason: string | null }>(database, "select status, reason from sensor_process"),
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  };
}

test("of several reports on one sensor the last is written", async () => {
  await using bench = await scene();
  bench.recorder.record(bench.id, randomUUID(), { ...unstartedReport, status: "running" });
  bench.recorder.record(bench.id, randomUUID(), { ...unstartedReport, status: "stopped", reason: "done" });

  await bench.recorder.flush();

  expect(await bench.rows()).toEqual([{ status: "stopped", reason: "done" }]);
});

test("a report that could not be written is kept, unless a newer one has come", async () => {
  await using bench = await scene();
  await query(bench.database, "alter table sensor_process rename to sensor_process_away");
  bench.recorder.record(bench.id, randomUUID(), { ...unstartedReport, status: "running" });
  await expect(bench.recorder.flush()).rejects.toThrow("sensor_process");
  await query(bench.database, "alter table sensor_process_away rename to sensor_process");

  await bench.recorder.flush();

  expect(await bench.rows()).toEqual([{ status: "running", reason: null }]);
});

// Goal: doctor, which judges these times by the database's clock, is not misled by a worker whose clock is wrong.
// Method: a worker's clock that is months off.
test("times are written by the database's clock, whatever the worker's", async () => {
  await using bench = await scene();
  const nowMs = bench.clock.nowMs();
  bench.recorder.record(bench.id, randomUUID(), {
    ...unstartedReport,
    status: "backoff",
    startedAt: new Date(nowMs - 3_600_000),
    lastOutputAt: new Date(nowMs - 1_800_000),
    nextRestartAt: new Date(nowMs + 3_600_000),
  });

  await bench.recorder.flush();

  const [ages] = await query<Record<"started" | "printed" | "stopped" | "restarts", number | null>>(
    bench.database,
    `select extract(epoch from now() - started_at)::float8 as started,
            extract(epoch from now() - last_output_at)::float8 as printed,
            extract(epoch from now() - stopped_at)::float8 as stopped,
            extract(epoch from next_restart_at - now())::float8 as restarts
       from sensor_process`,
  );
  // Within minutes, for a slow machine.
  expect(ages?.started).toBeCloseTo(3_600, -3);
  expect(ages?.printed).toBeCloseTo(1_800, -3);
  expect(ages?.restarts).toBeCloseTo(3_600, -3);
  expect(ages?.stopped).toBeNull();
});

test("text that the database cannot hold does not lose the report", async () => {
  await using bench = await scene();
  bench.recorder.record(bench.id, randomUUID(), {
    ...unstartedReport,
    status: "failed",
    reason: "a\0b\ud800c",
  });

  await bench.recorder.flush();

  expect(await bench.rows()).toEqual([{ status: "failed", reason: "a\u{FFFD}b\u{FFFD}c" }]);
});

test("a report on a sensor that was deleted is passed over", async () => {
  await using bench = await scene();
  bench.recorder.record("999999", randomUUID(), unstartedReport);

  await bench.recorder.flush();

  expect(await bench.rows()).toEqual([]);
});

// Goal: a transaction that deletes a sensor, or renames it, holds up the state of no other sensor.
// Method: reports beside such a transaction left open; the fake clock shows that the recorder itself repeats the others.
test.each([
  ["deleted", "delete from sensor where ref = 'test.one'"],
  ["renamed", "update sensor set ref = 'test.renamed' where ref = 'test.one'"],
])("a report on a sensor that is being %s waits alone", async (_what, sql) => {
  await using bench = await scene();
  const other = await insertSensor(bench.database, { ref: "test.other", triggerRef: "test.happened" });
  const ending = new AbortController();
  const running = bench.recorder.run(ending.signal);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    ending.abort();
    await running;
  });
  const connection = await bench.connect();
  await connection.query("begin");
  await connection.query(sql);

  for (const id of [bench.id, other])
    bench.recorder.record(id, randomUUID(), { ...unstartedReport, status: "running" });
  await expect
    .poll(() => bench.afterASecond(bench.rows), soon)
    .toEqual([{ status: "running", reason: null }]);
  bench.recorder.record(other, randomUUID(), { ...unstartedReport, status: "stopped", reason: "done" });
  const last = { status: "stopped", reason: "done" };
  await expect.poll(() => bench.afterASecond(bench.rows), soon).toEqual([last]);
  await connection.query("rollback");

  await expect
    .poll(() => bench.afterASecond(bench.rows), soon)
    .toEqual(expect.arrayContaining([last, { status: "running", reason: null }]));
});

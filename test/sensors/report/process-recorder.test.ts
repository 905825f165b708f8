import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { ProcessRecorder } from "../../../src/sensors/report/process-recorder.ts";
import { unstartedReport } from "../../../src/sensors/report/sensor-notes.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { insertSensor, insertTrigger, query } from "../../support/platform-rows.ts";
import { freshDatabase } from "../../support/postgres.ts";

async function scene() {
  const fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "test.happened");
  const id = await insertSensor(database, { ref: "test.one", triggerRef: "test.happened" });
  const recorder = new ProcessRecorder({
    database,
    clock: fakeClock(),
    logger: silentLogger,
    random: () => 0,
  });
  return {
    id,
    recorder,
    database,
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

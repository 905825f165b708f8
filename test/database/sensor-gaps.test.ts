/**
 * Goal: whenever nothing ran a sensor that should run, a gap says since when, why, and which worker went on.
 * Method: the statements of real agents (claims, releases, registrations, reports) on a real database.
 */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { readHistory } from "../../src/database/history.ts";
import { rowsOf } from "../../src/database/statement.ts";
import { claimSensors, releaseSensors } from "../../src/database/statements/assignments.ts";
import {
  gapConditions,
  gapTable,
  noteUnplacedSensors,
  type GapEntry,
} from "../../src/database/statements/sensor-gaps.ts";
import { writeSensorReports } from "../../src/database/statements/sensor-process.ts";
import { registerWorker } from "../../src/database/statements/workers.ts";
import type { Id } from "../../src/model/identifiers.ts";
import { unstartedReport } from "../../src/sensors/report/sensor-notes.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

interface Worker {
  readonly workerId: Id;
  readonly instance: string;
}

const leaseSeconds = 10;

async function register(database: Database, name: string): Promise<Worker> {
  const instance = randomUUID();
  const [registered] = await rowsOf(database, registerWorker, {
    name,
    type: "local",
    host: "here",
    port: null,
    capabilities: {},
    meta: {},
    instance,
    leaseSeconds,
  });
  return { workerId: registered?.id ?? "", instance };
}

async function insertWantedSensor(database: Database, ref: string): Promise<Id> {
  await insertTrigger(database, `${ref}_tick`);
  await insertRule(database, { ref: `${ref}_rule`, triggerRef: `${ref}_tick` });
  return await insertSensor(database, { ref, triggerRef: `${ref}_tick` });
}

async function claim(database: Database, worker: Worker, sensorId: Id): Promise<void> {
  const claimed = await rowsOf(database, claimSensors, {
    ...worker,
    chosen: new Map([[sensorId, worker.workerId]]),
  });
  expect(claimed).toHaveLength(1);
}

/** As if the worker had renewed its lease for the last time so long ago. */
async function lapse(database: Database, name: string, seconds: number): Promise<void> {
  await query(
    database,
    "update worker set lease_expires_at = clock_timestamp() + make_interval(secs => lease_seconds - $2) where name = $1",
    [name, seconds],
  );
}

async function report(
  database: Database,
  { instance }: Worker,
  sensorId: Id,
  facts: Partial<typeof unstartedReport>,
): Promise<void> {
  const reports = [{ ...unstartedReport, ...facts, sensorId, instance }];
  await rowsOf(database, writeSensorReports, { reports, nowMs: Date.now() });
}

async function gaps(database: Database, sensorRef: string | null = null): Promise<readonly GapEntry[]> {
  const { entries } = await readHistory(database, gapTable, gapConditions({ sensorRef, cause: null }), {
    limit: 100,
    offset: 0,
    before: null,
    after: null,
    createdFrom: null,
    createdTo: null,
  });
  return entries;
}

test("a sensor that its worker releases has a gap until another worker claims it", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [one, two] = [await register(database, "one"), await register(database, "two")];
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  await claim(database, one, sensorId);
  expect(await gaps(database)).toEqual([]);

  await rowsOf(database, releaseSensors, { instance: one.instance, sensorIds: [sensorId] });
  expect(await gaps(database)).toMatchObject([
    { cause: "released", fromWorker: "one", toWorker: null, endedAt: null, isOpen: true },
  ]);
  await claim(database, two, sensorId);

  const [gap] = await gaps(database, "nightly.inbox");
  expect(gap).toMatchObject({ cause: "released", fromWorker: "one", toWorker: "two", isOpen: false });
  expect(gap?.seconds).toBeGreaterThan(0);
  expect(await gaps(database, "nightly.other")).toEqual([]);
});

test("the gap of a worker that died begins with the last renewal of its lease", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [one, two] = [await register(database, "one"), await register(database, "two")];
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  await claim(database, one, sensorId);

  await lapse(database, "one", 12);
  await claim(database, two, sensorId);

  const [gap] = await gaps(database);
  expect(gap).toMatchObject({ cause: "lost", fromWorker: "one", toWorker: "two", isOpen: false });
  expect(gap?.seconds).toBeGreaterThanOrEqual(12);
  expect(gap?.seconds).toBeLessThan(60);
});

test("a worker that died and came back under its name has a gap, too", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const first = await register(database, "one");
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  await claim(database, first, sensorId);

  await lapse(database, "one", 15);
  await claim(database, await register(database, "one"), sensorId);

  const [gap] = await gaps(database);
  expect(gap).toMatchObject({ cause: "lost", fromWorker: "one", toWorker: "one" });
  expect(gap?.seconds).toBeGreaterThanOrEqual(15);
});

test("a sensor that is not to run any more has no gap, and one that is no longer to run is not missed", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const one = await register(database, "one");
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  await claim(database, one, sensorId);
  await query(database, "update rule set enabled = false");
  await rowsOf(database, releaseSensors, { instance: one.instance, sensorIds: [sensorId] });
  expect(await gaps(database)).toEqual([]);

  await query(database, "update rule set enabled = true");
  await claim(database, one, sensorId);
  await rowsOf(database, releaseSensors, { instance: one.instance, sensorIds: [sensorId] });
  await query(database, "update sensor set enabled = false");
  await report(database, one, sensorId, { status: "stopped" });
  expect(await gaps(database)).toMatchObject([{ endedAt: null, isOpen: false, seconds: null }]);
});

test("a process that exits on its own has a gap from its end to the next run, with the reason", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const one = await register(database, "one");
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  await claim(database, one, sensorId);
  const startMs = Date.now();
  const at = (seconds: number): Date => new Date(startMs + seconds * 1_000);

  await report(database, one, sensorId, { status: "running", startedAt: at(0) });
  const ended = { reason: "it exited with code 3", startedAt: at(0), stoppedAt: at(2) };
  await report(database, one, sensorId, { status: "backoff", ...ended });
  await report(database, one, sensorId, { status: "starting", ...ended });
  await report(database, one, sensorId, { status: "backoff", ...ended, stoppedAt: at(4) });
  // Somebody asks for a restart.
  await report(database, one, sensorId, { status: "stopped", ...ended });
  expect(await gaps(database)).toMatchObject([{ cause: "ended", isOpen: true, beganAt: at(2) }]);
  await report(database, one, sensorId, { status: "running", startedAt: at(9) });

  expect(await gaps(database)).toMatchObject([
    {
      cause: "ended",
      detail: "it exited with code 3",
      fromWorker: "one",
      toWorker: "one",
      seconds: 7,
      isOpen: false,
    },
  ]);
});

test("the newest ten of a sensor's workers and of its processes are kept, and none of a deleted one", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const one = await register(database, "one");
  const [sensorId, otherId] = [
    await insertWantedSensor(database, "nightly.inbox"),
    await insertWantedSensor(database, "nightly.other"),
  ];
  await claim(database, one, otherId);
  await rowsOf(database, releaseSensors, { instance: one.instance, sensorIds: [otherId] });
  for (let turn = 0; turn < 13; turn += 1) {
    await claim(database, one, sensorId);
    await report(database, one, sensorId, { status: "running", startedAt: new Date() });
    await report(database, one, sensorId, { status: "failed", reason: `turn ${turn}` });
    await rowsOf(database, releaseSensors, { instance: one.instance, sensorIds: [sensorId] });
  }

  const kept = await gaps(database, "nightly.inbox");
  expect(kept.filter(({ cause }) => cause === "released")).toHaveLength(10);
  expect(kept.flatMap(({ detail }) => detail ?? [])).toEqual(
    Array.from({ length: 10 }, (_, index) => `turn ${12 - index}`),
  );
  expect(await gaps(database, "nightly.other")).toHaveLength(1);
  await query(database, "delete from sensor where id = $1", [sensorId]);
  expect(await gaps(database, "nightly.inbox")).toEqual([]);
});

test("renewals and stored events write no gap, and renewing fires no trigger for one", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const one = await register(database, "one");
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  await claim(database, one, sensorId);
  await query(database, "update worker set lease_expires_at = clock_timestamp() + interval '20 s'");

  expect(await query(database, "select former_instance from worker where name = 'one'")).toEqual([
    { former_instance: null },
  ]);
  expect(await gaps(database)).toEqual([]);
});

test("a sensor that no worker can run has a gap with the reason, until one has it", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const one = await register(database, "one");
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  const otherId = await insertWantedSensor(database, "nightly.outbox");
  const note = (...reasons: readonly (readonly [Id, string])[]) =>
    rowsOf(
      database,
      noteUnplacedSensors,
      reasons.map(([id, reason]) => ({ sensorId: id, reason })),
    );

  await note([sensorId, "no worker offers ruby"], [otherId, "no worker offers ruby"]);
  await note([sensorId, "one offers ruby 2, not 3"], [otherId, "no worker offers ruby"]);
  const [, before] = await gaps(database);
  expect(await gaps(database)).toMatchObject([
    { sensorRef: "nightly.outbox", cause: "unplaced", detail: "no worker offers ruby", isOpen: true },
    { sensorRef: "nightly.inbox", cause: "unplaced", detail: "one offers ruby 2, not 3", isOpen: true },
  ]);
  await claim(database, one, sensorId);
  await note([otherId, "no worker offers ruby"]);

  const [outbox, inbox] = await gaps(database);
  expect(outbox).toMatchObject({ isOpen: true, toWorker: null, endedAt: null });
  expect(inbox).toMatchObject({ isOpen: false, toWorker: "one", beganAt: before?.beganAt });
  expect(inbox?.seconds).toBeGreaterThan(0);
});

test("two workers that note the same sensors at once note them once, and ten gaps of a sensor are kept", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const ids = [await insertWantedSensor(database, "a.a"), await insertWantedSensor(database, "a.b")];
  const noted = ids.map((sensorId) => ({ sensorId, reason: "no worker" }));
  for (let round = 0; round < 12; round += 1) {
    await Promise.all([
      rowsOf(database, noteUnplacedSensors, noted),
      rowsOf(database, noteUnplacedSensors, noted.toReversed()),
    ]);
    expect((await gaps(database)).filter(({ isOpen }) => isOpen)).toHaveLength(2);
    await rowsOf(database, noteUnplacedSensors, []);
  }

  expect(await gaps(database, "a.a")).toHaveLength(10);
});

test("gaps of a sensor that was never placed are deleted with it", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  await rowsOf(database, noteUnplacedSensors, [{ sensorId, reason: "no worker" }]);

  await query(database, "delete from sensor where id = $1", [sensorId]);

  expect(await gaps(database)).toEqual([]);
});

// Goal: nobody who changes a sensor or a gap, however slowly, holds up the worker that places sensors.
// Method: notes of several sensors beside a transaction left open, with a lock on one of them.
test.each([
  ["the deletion of a sensor", "delete from sensor where ref = 'a.a'"],
  ["a new ref", "update sensor set ref = 'a.z' where ref = 'a.a'"],
  ["a lock of its gap", "select from sensor_gap where sensor_ref = 'a.a' for update"],
])("a note does not wait for %s, and is repeated once that is over", async (_what, sql) => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const [one, two] = [await insertWantedSensor(database, "a.a"), await insertWantedSensor(database, "a.b")];
  const note = (reason: string) =>
    rowsOf(
      database,
      noteUnplacedSensors,
      [one, two].map((sensorId) => ({ sensorId, reason })),
    );
  const details = async () => (await gaps(database)).map(({ detail }) => detail);
  await note("no worker");
  expect(await note("no worker")).toEqual([]);
  const other = await fresh.connect();
  await other.query("begin");
  await other.query(sql);

  await note("no ruby");
  expect((await details()).includes("no ruby")).toBe(true);
  await other.query("rollback");
  await note("no ruby");

  expect(await details()).toEqual(["no ruby", "no ruby"]);
  expect(await note("no ruby")).toEqual([]);
});

test("a sensor that is being deleted gets no gap, which nobody would delete", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const sensorId = await insertWantedSensor(database, "nightly.inbox");
  const note = () => rowsOf(database, noteUnplacedSensors, [{ sensorId, reason: "no worker" }]);
  const other = await fresh.connect();
  await other.query("begin");
  await other.query("delete from sensor");

  expect(await note()).toEqual(["changing"]);
  expect(await gaps(database)).toEqual([]);
  await other.query("rollback");
  await note();

  expect(await gaps(database)).toHaveLength(1);
});

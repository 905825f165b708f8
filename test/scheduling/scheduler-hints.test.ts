/** When a worker looks, places and renews, by a fake clock and scripted rows; what then happens is in scheduler.test.ts. */
import { expect, onTestFinished, test } from "vitest";
import type { Database, Query } from "../../src/database/database.ts";
import { assignmentsDigest } from "../../src/database/statements/lease-renewals.ts";
import { Scheduler } from "../../src/scheduling/scheduler.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { fakeClock } from "../support/fake-clock.ts";

const renewalIntervalMs = 10_000;
const lookIntervalMs = 600_000;
const looks = "read_own_sensors";
const places = "read_waiting_sensors";
const renews = "renew_leases";

function sensorRow(id: string): object {
  return {
    id,
    ref: `demo.${id}`,
    runtime_ref: "core.shell",
    runtime_name: "shell",
    protocol: "stream",
    entrypoint: "run.sh",
    runtime_version_constraint: null,
    placement: {},
    generation: "5",
    is_wanted: true,
    is_lapsed: false,
    database_ms: 0,
  };
}

/** A worker with the id 1 and rows that the test sets. */
async function start({ rank = 0 }: { readonly rank?: number } = {}) {
  const clock = fakeClock();
  const capabilities = { runtimes: ["shell"], max_concurrent_sensors: 10 };
  const rows = {
    rank,
    isSuperseded: false,
    others: "",
    /** Ids of sensors. */
    own: [] as string[],
    waiting: [] as string[],
    /** Sensors that a claim gets. */
    claimable: [] as string[],
    failing: new Set<string>(),
  };
  const sent: string[] = [];
  const answers: Readonly<Record<string, () => object[]>> = {
    [renews]: () => [
      {
        is_renewed: true,
        assignments: assignmentsDigest(new Map(rows.own.map((id) => [id, "5"]))),
        rank: rows.rank,
        placer: rows.rank === 0 ? null : "placing",
        others: rows.rank === 0 ? rows.others : null,
        first_end_ms: null,
        database_ms: clock.monotonicMs(),
      },
    ],
    [looks]: () => rows.own.map(sensorRow),
    read_live_worker: () => [{ name: "w1", capabilities }],
    [places]: () => rows.waiting.map((id) => ({ ...sensorRow(id), database_ms: clock.monotonicMs() })),
    read_live_workers: () => [{ id: "1", name: "w1", capabilities, load: rows.own.length }],
    claim_sensors: () => {
      const claimed = rows.waiting.filter((id) => rows.claimable.includes(id));
      rows.waiting = rows.waiting.filter((id) => !claimed.includes(id));
      rows.own.push(...claimed);
      return claimed.map((sensor) => ({ sensor, generation: "5", worker: "1" }));
    },
  };
  const query = async ({ name = "" }: Query): Promise<{ rows: object[] }> => {
    sent.push(name);
    if (rows.failing.has(name)) throw new Error("no answer");
    return { rows: rows.isSuperseded && name === renews ? [] : (answers[name]?.() ?? []) };
  };
  const connection = { query };
  const database = {
    query,
    reserved: connection,
    relaxed: connection,
    transaction: async <T>(work: (transaction: typeof connection) => Promise<T>) => await work(connection),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
  } as unknown as Database;
  const scheduler = new Scheduler({
    database,
    workerId: "1",
    instance: "own",
    leaseSeconds: 30,
    renewalIntervalMs,
    lookIntervalMs,
    isRunning: () => false,
    onRenewed: () => {},
    onSuperseded: () => {},
    onHeldChanged: () => {},
    onOthersChanged: () => {},
    metrics: { leasesLost: () => {} },
    logger: silentLogger,
    clock,
    random: () => 0,
  });
  const stop = new AbortController();
  const run = scheduler.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await run;
  });
  await clock.advance(1_000);
  sent.length = 0;
  return {
    scheduler,
    rows,
    /** What was sent in that time. */
    sentWithin: async (ms: number): Promise<readonly string[]> => {
      await clock.advance(ms);
      return sent.splice(0);
    },
  };
}

test("a worker at rest only renews", async () => {
  const { sentWithin } = await start();

  expect(new Set(await sentWithin(5 * renewalIntervalMs))).toEqual(new Set([renews]));
});

test("a hint about a worker makes those renew that learn from it who places, and makes no other look", async () => {
  const first = await start();
  first.scheduler.noteWorker("another");
  expect(await first.sentWithin(0)).toEqual([places]);

  const second = await start({ rank: 1 });
  second.scheduler.noteWorker("another");
  expect(await second.sentWithin(0)).toEqual([]);
  expect(await second.sentWithin(500)).toContain(places);
  second.scheduler.noteWorker("placing");
  expect(await second.sentWithin(0)).toEqual([renews]);
  second.scheduler.noteWorker("own");
  expect(await second.sentWithin(0)).toContain(looks);
});

test("a hint about assignments makes those look that got or lost some", async () => {
  const { scheduler, sentWithin } = await start({ rank: 3 });
  scheduler.noteAssignments("one,another");
  expect(await sentWithin(0)).toEqual([]);

  for (const instances of ["another,own", undefined]) {
    scheduler.noteAssignments(instances);
    expect(await sentWithin(0)).toContain(looks);
  }
});

test("a worker that got a sensor unnoticed finds it at its next renewal", async () => {
  const { scheduler, rows, sentWithin } = await start({ rank: 3 });
  rows.own = ["7"];

  expect(await sentWithin(renewalIntervalMs)).toContain(looks);

  expect([...scheduler.held()]).toEqual([["7", { generation: "5", instance: "own" }]]);
  expect(await sentWithin(renewalIntervalMs)).toEqual([renews]);
});

test("a look or a round that fails is repeated without another hint", async () => {
  const { scheduler, rows, sentWithin } = await start();
  for (const statement of [looks, places]) {
    rows.failing.add(statement);
    scheduler.wake();
    await sentWithin(0);
    rows.failing.clear();

    expect(await sentWithin(1_000)).toContain(statement);
  }
});

test("sensors that a claim passes over are tried again at the next renewal, and then no more", async () => {
  const { scheduler, rows, sentWithin } = await start();
  rows.waiting = ["7", "8"];
  rows.claimable = ["7"];
  scheduler.wake();
  await sentWithin(0);
  expect([...scheduler.held().keys()]).toEqual(["7"]);

  rows.claimable = ["8"];
  expect(await sentWithin(renewalIntervalMs)).toContain(places);
  expect([...scheduler.held().keys()]).toEqual(["7", "8"]);
  expect(await sentWithin(5 * renewalIntervalMs)).not.toContain(places);
});

test("only the worker that places sensors counts those that run nowhere, and notes them anew when its rank changes", async () => {
  const { scheduler, rows, sentWithin } = await start();
  rows.waiting = Array.from({ length: 11 }, (_, n) => String(n + 1));
  rows.claimable = rows.waiting.slice(0, 10);
  scheduler.wake();
  expect(await sentWithin(0)).toContain("note_unplaced_sensors");
  expect(scheduler.unplacedCount()).toBe(1);
  scheduler.wake();
  expect(await sentWithin(0)).not.toContain("note_unplaced_sensors");

  rows.rank = 1;
  await sentWithin(renewalIntervalMs);
  expect(scheduler.unplacedCount()).toBe(0);
  rows.rank = 0;
  expect(await sentWithin(renewalIntervalMs)).toContain("note_unplaced_sensors");
  expect(scheduler.unplacedCount()).toBe(1);
});

test("a change of the other workers makes the placing one place, and no other", async () => {
  const { rows, sentWithin } = await start();
  rows.others = "1 7";
  expect(await sentWithin(renewalIntervalMs)).toContain(places);
  expect(await sentWithin(renewalIntervalMs)).not.toContain(places);
});

test("a superseded worker has nothing to release", async () => {
  const { scheduler, rows, sentWithin } = await start();
  rows.own = ["7"];
  await sentWithin(renewalIntervalMs);
  expect(scheduler.held().size).toBe(1);

  rows.isSuperseded = true;
  await sentWithin(renewalIntervalMs);
  await scheduler.releaseAll();

  expect(scheduler.held().size).toBe(0);
  expect(await sentWithin(0)).not.toContain("release_sensors");
});

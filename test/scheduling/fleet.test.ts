/**
 * What a fleet costs, in statements and rows: test/bench/growth/fleet.ts measures the same with 200 workers and 20,000 sensors.
 */
import { expect, test } from "vitest";
import {
  heldBy,
  insertSensorsAtOnce,
  startMember,
  type FleetMember,
  type FleetOptions,
} from "../support/fleet.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

const soon = { timeout: 20_000, interval: 20 };
const workers = 6;
const sensors = 60;

async function startFleet(
  url: string,
  options: Partial<FleetOptions> = {},
): Promise<{ readonly members: readonly FleetMember[] } & AsyncDisposable> {
  const members: FleetMember[] = [];
  for (let n = 0; n < workers; n += 1) {
    members.push(
      await startMember({
        url,
        name: `w${n}`,
        sensorCountMax: 20,
        leaseSeconds: 2,
        renewalIntervalMs: 100,
        lookIntervalMs: 600_000,
        ...options,
      }),
    );
  }
  return {
    members,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ kill }) => kill()));
    },
  };
}

function callsOf(members: readonly FleetMember[], name: string): number {
  return members.reduce((sum, { sent }) => sum + (sent.get(name)?.calls ?? 0), 0);
}

async function settled(members: readonly FleetMember[]): Promise<void> {
  await expect.poll(() => heldBy(members), soon).toBe(sensors);
  // Until nobody has had anything to do but renew for longer than the last one waits after a hint.
  await expect
    .poll(async () => {
      for (const { forgetSent } of members) forgetSent();
      await expect.poll(() => callsOf(members, "renew_leases"), soon).toBeGreaterThan(16 * workers);
      return members.flatMap(({ sent }) => [...sent.keys()]).every((name) => name === "renew_leases");
    }, soon)
    .toBe(true);
}

test("a fleet at rest only renews leases: one row per worker and renewal, however many sensors it runs", async () => {
  await using fresh = await freshDatabase();
  await insertSensorsAtOnce(fresh.database, sensors);
  await using fleet = await startFleet(fresh.url);
  const { members } = fleet;
  await settled(members);

  for (const { forgetSent } of members) forgetSent();
  await expect.poll(() => callsOf(members, "renew_leases"), soon).toBeGreaterThan(10 * workers);

  for (const { sent } of members) {
    expect([...sent.keys()]).toEqual(["renew_leases"]);
    expect(sent.get("renew_leases")?.rows).toBe(sent.get("renew_leases")?.calls);
  }
});

test("the sensors of a killed worker are placed by few others, and only those that get some look", async () => {
  await using fresh = await freshDatabase();
  await using fleet = await startFleet(fresh.url, { sensorCountMax: 100 });
  const { members } = fleet;
  await insertSensorsAtOnce(fresh.database, sensors);
  await settled(members);
  // It runs a single sensor, so that a single other worker gets one.
  const [placing, killed, ...others] = members;
  if (placing === undefined || killed === undefined) throw new Error("too few workers");
  await query(
    fresh.database,
    `update sensor_assignment set worker = $1, instance = (select instance from worker where id = $1), generation = generation + 1
      where worker = $2 and sensor <> (select min(sensor) from sensor_assignment where worker = $2)`,
    [others[0]?.workerId, killed.workerId],
  );
  await expect.poll(() => killed.scheduler.held().size, soon).toBe(1);
  await settled(members);

  for (const { forgetSent } of members) forgetSent();
  await killed.kill();
  const living = [placing, ...others];
  await expect.poll(() => heldBy(living), soon).toBe(sensors);

  expect(callsOf(living, "read_own_sensors")).toBeLessThanOrEqual(2);
  expect(living.filter(({ sent }) => sent.has("read_waiting_sensors")).length).toBeLessThanOrEqual(3);
  // What waits, not what runs.
  expect(
    living.reduce((sum, { sent }) => sum + (sent.get("read_waiting_sensors")?.rows ?? 0), 0),
  ).toBeLessThanOrEqual(2);
});

test("when the worker that places sensors is killed, the next one places its sensors", async () => {
  await using fresh = await freshDatabase();
  await insertSensorsAtOnce(fresh.database, sensors);
  await using fleet = await startFleet(fresh.url);
  const [placing, ...others] = fleet.members;
  await expect.poll(() => heldBy(fleet.members), soon).toBe(sensors);

  await placing?.kill();

  await expect.poll(() => heldBy(others), soon).toBe(sensors);
});

test("a new sensor runs although the worker that places them has just died", async () => {
  await using fresh = await freshDatabase();
  await insertSensorsAtOnce(fresh.database, sensors);
  await using fleet = await startFleet(fresh.url, { leaseSeconds: 3_600 });
  const [placing, ...others] = fleet.members;
  await expect.poll(() => heldBy(fleet.members), soon).toBe(sensors);
  const before = heldBy(others);
  // The dead worker is not given it: it is full.
  await query(
    fresh.database,
    "update worker set capabilities = capabilities || '{\"max_concurrent_sensors\": 5}' where id = $1",
    [placing?.workerId],
  );
  await placing?.kill();

  await query(
    fresh.database,
    `insert into sensor (ref, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol)
     select 'fleet.new', pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol
       from sensor where ref = 'fleet.s1'`,
  );

  await expect.poll(() => heldBy(others), soon).toBe(before + 1);
});

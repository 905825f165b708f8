/**
 * A fleet at rest, and when a worker dies: the schedulers of many agents in this process, on a database server of their own.
 *
 * The processor time is that of the server's processes. The longest turn is that of this event loop, on which all schedulers
 * run; in life each has its own.
 *
 * The floor is as many sessions that only renew one row each, as often. What waking a session costs depends on the
 * machine, up to threefold, and changes from hour to hour.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { heldBy, insertSensorsAtOnce, startMember, type FleetMember } from "../../support/fleet.ts";
import { watchTurns } from "../../support/longest-turn.ts";
import { query } from "../../support/platform-rows.ts";
import { privatePostgres } from "../../support/postgres.ts";
import { atMost } from "../rig/at-most.ts";
import { serverSeconds } from "../rig/processor-seconds.ts";
import type { Finding } from "../rig/report.ts";

const leaseSeconds = 10;
const renewalIntervalMs = 3_000;
/** Six renewals: from then on a session uses a plan that it has made before. */
const settleMs = 20_000;
const restMs = 30_000;
const turnMs = 100;
const limitMs = 120_000;
/** Where waking costs more than the requirement of 0.05 cores allows. */
const overFloorMax = 1.2;

export async function measureFleet(workers: number, sensors: number): Promise<Finding[]> {
  await using server = await privatePostgres([`max_connections=${2 * workers + 20}`]);
  await using database = await openPostgresql({ url: server.url, logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  const members: FleetMember[] = [];
  for (let n = 0; n < workers; n += 1) {
    members.push(
      await startMember({
        url: server.url,
        name: `w${n}`,
        sensorCountMax: Math.ceil((sensors / workers) * 1.1) + 1,
        leaseSeconds,
        renewalIntervalMs,
        lookIntervalMs: 120_000,
      }),
    );
  }

  const cold = await secondsUntilHeld(sensors, members, async () => insertSensorsAtOnce(database, sensors));
  // What the placement left to do is no part of the rest: tables to vacuum, and plans that each session makes at first.
  await query(database, "vacuum analyze");
  await sleep(settleMs);

  const processorBefore = serverSeconds(server.pid ?? 0);
  for (const { forgetSent } of members) forgetSent();
  // Reading the processor time of so many processes is a long turn itself, and so is outside.
  await sleep(turnMs);
  using turns = watchTurns();
  await sleep(restMs);
  const longestAtRestMs = turns.longestMs();
  const processorShare = (serverSeconds(server.pid ?? 0) - processorBefore) / ((restMs + turnMs) / 1_000);
  const statements = members.reduce(
    (sum, { sent }) => sum + [...sent.values()].reduce((all, { calls }) => all + calls, 0),
    0,
  );

  const [killed, ...others] = members.toReversed();
  const failover = await secondsUntilHeld(sensors, others, async () => await killed?.kill());
  await Promise.all(others.map(({ kill }) => kill()));
  const floorShare = await floorAtRest(server.url, server.pid ?? 0, workers);

  const size = `${workers} workers, ${sensors} sensors: `;
  return [
    atMost(`${size}all placed from cold`, cold, 60, "s"),
    atMost(
      `${size}the database's processor at rest`,
      processorShare,
      Math.max(0.05, overFloorMax * floorShare),
      "cores",
    ),
    atMost(
      `${size}statements per worker at rest`,
      statements / ((restMs + turnMs) / 1_000) / workers,
      0.5,
      "/s",
    ),
    atMost(`${size}longest turn at rest`, longestAtRestMs, 10, "ms"),
    atMost(`${size}a killed worker's run elsewhere`, failover, leaseSeconds + 2, "s"),
  ];
}

/** Cores that the server uses for sessions that only renew one row each. */
async function floorAtRest(url: string, serverPid: number, sessions: number): Promise<number> {
  await using parts = new AsyncDisposableStack();
  const clients = await Promise.all(
    Array.from({ length: sessions }, async () => {
      const client = new Client({ connectionString: url });
      await client.connect();
      parts.defer(() => client.end());
      return client;
    }),
  );
  await clients[0]?.query(`
    create table renewal_floor (id int primary key, expires_at timestamptz) with (fillfactor = 50);
    insert into renewal_floor select n, now() from generate_series(0, ${sessions - 1}) as n`);
  const text =
    "update renewal_floor set expires_at = now() + interval '10 s' where id = $1 returning expires_at";
  for (const [id, client] of clients.entries()) {
    const renew = (): void => void client.query({ name: "renew", text, values: [id] });
    // Spread over the interval, as the agents are.
    const first = setTimeout(
      () => {
        renew();
        const timer = setInterval(renew, renewalIntervalMs);
        parts.defer(() => clearInterval(timer));
      },
      (renewalIntervalMs * id) / sessions,
    );
    parts.defer(() => clearTimeout(first));
  }
  await sleep(settleMs);
  const before = serverSeconds(serverPid);
  await sleep(restMs);
  return (serverSeconds(serverPid) - before) / (restMs / 1_000);
}

/** How long it takes until these hold all sensors, from the moment at which something is done. */
async function secondsUntilHeld(
  sensors: number,
  holders: readonly FleetMember[],
  act: () => Promise<void>,
): Promise<number> {
  const startedAtMs = performance.now();
  await act();
  while (heldBy(holders) < sensors) {
    if (performance.now() - startedAtMs > limitMs)
      throw new Error(`only ${heldBy(holders)} sensors are held`);
    await sleep(20);
  }
  return (performance.now() - startedAtMs) / 1_000;
}

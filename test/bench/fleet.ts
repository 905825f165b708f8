/**
 * A fleet at rest, and when a worker dies: the schedulers of many agents in this process, on a database server of their own.
 *
 * The processor time is that of the server's processes. The longest turn is that of this event loop, on which all schedulers
 * run; in life each has its own. ATTUNE_BENCH_WORKERS and ATTUNE_BENCH_SENSORS are the size of the fleet.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { heldBy, insertSensorsAtOnce, startMember, type FleetMember } from "../support/fleet.ts";
import { watchTurns } from "../support/longest-turn.ts";
import { privatePostgres } from "../support/postgres.ts";
import { report } from "./rig/report.ts";

const workers = Number(process.env["ATTUNE_BENCH_WORKERS"] ?? 200);
const sensors = Number(process.env["ATTUNE_BENCH_SENSORS"] ?? 20_000);
const leaseSeconds = 10;
const restMs = 30_000;
const limitMs = 120_000;

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
      renewalIntervalMs: 3_000,
      lookIntervalMs: 120_000,
    }),
  );
}

const cold = await secondsUntil(async () => insertSensorsAtOnce(database, sensors), members);
await sleep(5_000);

using turns = watchTurns();
const processorBefore = serverSeconds();
for (const { forgetSent } of members) forgetSent();
await sleep(restMs);
const processorShare = (serverSeconds() - processorBefore) / (restMs / 1_000);
const statements = members.reduce(
  (sum, { sent }) => sum + [...sent.values()].reduce((all, { calls }) => all + calls, 0),
  0,
);
const longestAtRestMs = turns.longestMs();

const [killed, ...others] = members.toReversed();
const failover = await secondsUntil(async () => await killed?.kill(), others);
await Promise.all(others.map(({ kill }) => kill()));

const atMost = (what: string, measured: number, limit: number, unit: string) => ({
  what,
  measured: `${measured.toFixed(3)} ${unit}`,
  floor: `${limit} ${unit}`,
  ratio: measured / limit,
  required: "at most the limit",
  isReached: measured <= limit,
});
report(`${workers} workers, ${sensors} sensors; the floor is the limit`, [
  atMost("all sensors placed from cold", cold, 60, "s"),
  atMost("processor of the database at rest", processorShare, 0.05, "cores"),
  atMost("statements per second and worker at rest", statements / (restMs / 1_000) / workers, 0.5, "/s"),
  atMost("longest turn at rest", longestAtRestMs, 10, "ms"),
  atMost("sensors of a killed worker run elsewhere", failover, leaseSeconds + 2, "s"),
]);

/** How long it takes until these hold all sensors, from the moment at which something was done. */
async function secondsUntil(act: () => Promise<void>, holders: readonly FleetMember[]): Promise<number> {
  const startedAtMs = performance.now();
  await act();
  while (heldBy(holders) < sensors) {
    if (performance.now() - startedAtMs > limitMs)
      throw new Error(`only ${heldBy(holders)} sensors are held`);
    await sleep(20);
  }
  return (performance.now() - startedAtMs) / 1_000;
}

/** Processor time of the server and its processes, also of those that have ended. */
function serverSeconds(): number {
  let ticks = 0;
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${entry}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      const isServer = Number(entry) === server.pid;
      if (!isServer && Number(fields[1]) !== server.pid) continue;
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return ticks / 100;
}

/**
 * An agent with ten sensors that say nothing: its processor time and statements while nothing happens, and its end.
 *
 * The floor is a Node program that holds a connection to both servers and does nothing but renew one row as often as an agent
 * renews its lease. It is measured during the same minutes: what waking up costs depends on the machine, up to tenfold, and
 * changes from hour to hour. ATTUNE_BENCH_MINUTES is the time watched, by default the longest interval between looks that
 * an agent repeats at rest. A database server of its own counts the statements: transactions are no measure, because those
 * of autovacuum on a new database are among them.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { packFolder } from "../support/pack-folder.ts";
import { asSuperuser, privatePostgres } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { processorSeconds } from "./rig/processor-seconds.ts";
import { median, report } from "./rig/report.ts";

const sensors = 10;
const minutes = Number(process.env["ATTUNE_BENCH_MINUTES"] ?? 2);
const stops = 5;
const renewalMs = 3_000;
/** From ready until start-up's last work is over: each part has looked once for what is due, and V8 has compiled and collected. */
const settleMs = 90_000;

await using server = await privatePostgres(["shared_preload_libraries=pg_stat_statements"]);
await prepareDatabase();
await using vhost = await freshVhost();
await using packs = await packFolder({ "idle/sensors/quiet.sh": "exec sleep infinity\n" });
await using folder = await agentFolder({
  databaseUrl: server.url,
  brokerUrl: vhost.url,
  packsDirectory: packs.directory,
  workerName: "idle",
});
const rest = await measureRest();
const stopMs: number[] = [];
for (let round = 0; round < stops; round += 1) stopMs.push(await measureStop());
const floorStop = await floorStopMs();

report(`Idle, ${sensors} sensors, ${agentCommand().what}`, [
  {
    what: "processor time a minute",
    measured: `${rest.processor.toFixed(3)} s`,
    floor: `${rest.floor.toFixed(3)} s`,
    ratio: rest.processor / rest.floor,
    required: "at most 0.12 s, or 2.5 × the floor",
    isReached: rest.processor <= Math.max(0.12, 2.5 * rest.floor),
  },
  {
    what: "statements a second",
    measured: rest.statements.toFixed(2),
    floor: "0",
    ratio: rest.statements / 0.5,
    required: "at most 0.5",
    isReached: rest.statements <= 0.5,
  },
  {
    what: "SIGTERM → exit",
    measured: `${median(stopMs).toFixed(0)} ms`,
    floor: `${floorStop.toFixed(0)} ms`,
    ratio: median(stopMs) / floorStop,
    required: "at most 100 ms",
    isReached: median(stopMs) <= 100,
  },
]);

/** Its connections are closed at the end: statements of this process would be counted, too. */
async function prepareDatabase(): Promise<void> {
  await asSuperuser((client) => client.query("create extension pg_stat_statements"), server.url);
  await using database = await openPostgresql({ url: server.url, logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  await database.query({
    text: `
      with pack as (insert into pack (ref) values ('idle') returning id),
           trigger as (insert into trigger (ref, pack, pack_ref) select 'idle.tick', id, 'idle' from pack returning id),
           rule as (
             insert into rule (ref, action_ref, trigger, trigger_ref)
             select 'idle.rule', 'core.echo', id, 'idle.tick' from trigger
           )
      insert into sensor (ref, pack, pack_ref, entrypoint, runtime, runtime_ref, trigger, trigger_ref, protocol)
      select 'idle.s' || n, pack.id, 'idle', 'quiet.sh', runtime.id, runtime.ref, trigger.id, 'idle.tick', 'stream'
        from pack, trigger, runtime, generate_series(1, $1::int) as n
       where runtime.ref = 'core.sensor.shell'`,
    values: [sensors],
  });
}

interface Rest {
  /** Seconds of processor time a minute. */
  readonly processor: number;
  /** The same of the floor. */
  readonly floor: number;
  /** A second, of the agent alone. */
  readonly statements: number;
}

async function measureRest(): Promise<Rest> {
  await using agent = await startAgent(folder, { command: agentCommand() });
  await ready(agent, folder);
  await allRunning(folder);
  const floor = await startFloor();
  await delay(settleMs);
  const pids = [agent.pid, floor.pid ?? 0];
  const before = { processor: pids.map(processorSeconds), statements: await statements() };
  await delay(minutes * 60_000);
  const [processor = Number.NaN, ofFloor = Number.NaN] = pids.map(
    (pid, index) => (processorSeconds(pid) - (before.processor[index] ?? 0)) / minutes,
  );
  const sent = (await statements()) - before.statements;
  floor.kill();
  await once(floor, "exit");
  return { processor, floor: ofFloor, statements: sent / (minutes * 60) };
}

async function measureStop(): Promise<number> {
  await using agent = await startAgent(folder, { command: agentCommand() });
  await ready(agent, folder);
  await allRunning(folder);
  await delay(2_000);
  const askedAtMs = performance.now();
  agent.kill("SIGTERM");
  await agent.ended;
  return performance.now() - askedAtMs;
}

async function allRunning({ logPath }: AgentFolder): Promise<void> {
  for (let waits = 0; waits < 1_000; waits += 1) {
    const running = await asSuperuser(
      (client) => client.query("select from attune.sensor_process where status = 'running'"),
      server.url,
    );
    if (running.rowCount === sensors) return;
    await delay(20);
  }
  throw new Error(`not all sensors run:\n${readFileSync(logPath, "utf8").split("\n").slice(-20).join("\n")}`);
}

/** So far, without this one and the floor's. */
async function statements(): Promise<number> {
  return await asSuperuser(async (client) => {
    const { rows } = await client.query<{ calls: number }>(
      "select sum(calls)::int as calls from pg_stat_statements where query !~ 'pg_stat_statements|idle_floor'",
    );
    return rows[0]?.calls ?? Number.NaN;
  }, server.url);
}

async function floorStopMs(): Promise<number> {
  const child = await startFloor();
  const askedAtMs = performance.now();
  child.kill();
  await once(child, "exit");
  return performance.now() - askedAtMs;
}

async function startFloor() {
  const program = `
    import pg from "pg";
    import { connect } from "amqplib";
    const client = new pg.Client({ connectionString: ${JSON.stringify(server.url)} });
    await client.connect();
    await client.query("create temporary table idle_floor (id int primary key, expires_at timestamptz)");
    await client.query("insert into idle_floor values (1, now())");
    const text = "update idle_floor set expires_at = now() + interval '10 s' where id = $1 returning expires_at";
    setInterval(() => client.query({ name: "renew", text, values: [1] }), ${renewalMs});
    await connect(${JSON.stringify(vhost.url)});
    process.on("SIGTERM", () => process.exit());
    console.log();`;
  const args = ["--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

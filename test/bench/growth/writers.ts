/**
 * Agents that store at once, against as many minimal programs that insert the same rows: on a server of their own, whose locks,
 * log and multixacts are watched meanwhile.
 *
 * Agents have machines of their own and share only the server. Here they share its processors, too, and take them from it: an
 * agent decodes, matches and makes messages, for some four times the processor time of a minimal program. So eight are
 * compared once more while the server has one core to itself.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Client } from "pg";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { insertRule, insertTrigger } from "../../support/platform-rows.ts";
import { asSuperuser, privatePostgres } from "../../support/postgres.ts";
import { atLeast, atMost } from "../rig/at-most.ts";
import { keepOnFirstCore, otherCores } from "../rig/own-core.ts";
import { serverSeconds } from "../rig/processor-seconds.ts";
import type { PostgresServer } from "../../../scripts/services/postgres.ts";
import type { Finding } from "../rig/report.ts";

const seconds = 4;
/** The minimal programs wait for the lock that extends a table's file, too. */
const lockWaitsMax = 0.05;
/** They share the processors, and each needs about so much of one until V8 has compiled what it does. */
const warmUpMsPerWriter = 1_500;
const lookMs = 25;

interface Run {
  readonly perSecond: number;
  readonly walBytes: number;
  /** Of the database, for an event. */
  readonly processorUs: number;
  /** Of the writers themselves, for an event. */
  readonly writerUs: number;
  readonly multixacts: number;
  /** Of the looks at each connection, the part that found it waiting for a lock of a row or table. */
  readonly lockWaits: number;
  readonly waits: string;
}

interface Outcome {
  readonly count: number;
  readonly seconds: number;
  readonly processorSeconds: number;
}

export async function measureWriters(counts: readonly number[]): Promise<Finding[]> {
  await using server = await privatePostgres(["max_connections=300"]);
  {
    await using database = await openPostgresql({ url: server.url, logger: silentLogger });
    await migrate(database, loadMigrations(), silentLogger);
    await insertTrigger(database, "bench.line");
    const conditions = [{ field: "isTenth", operator: "equals", value: true }];
    await insertRule(database, { ref: "bench.tenth", triggerRef: "bench.line", conditions });
  }
  const findings: Finding[] = [];
  let aloneUs: number | undefined;
  for (const count of counts) {
    const floor = await runWriters(server, "row-floor.ts", count);
    const agents = await runWriters(server, "pipeline-floor.ts", count);
    const required = count === 8 ? 0.9 : 0;
    const many = `${count} agents`;
    if (count === 8) findings.push(await runApart(server, count));
    // What grows with the number of agents is contention; what does not is work.
    aloneUs ??= agents.processorUs;
    const alone = `${counts[0]} alone`;
    findings.push(
      atLeast(`${many} store (waits: ${agents.waits})`, agents.perSecond, floor.perSecond, required, "/s"),
      atMost(
        `${many}: the database's processor time per event`,
        agents.processorUs,
        floor.processorUs / 0.9,
        "µs",
      ),
      atMost(`${many}: the same against ${alone}`, agents.processorUs / aloneUs, 1.2, "×"),
      atLeast(`${many}: their own processor time per event`, agents.writerUs, floor.writerUs, 0, "µs"),
      atMost(`${many}: multixacts per event`, agents.multixacts, 0.01, ""),
      atMost(
        `${many}: looks that find a lock waited for`,
        agents.lockWaits,
        Math.max(lockWaitsMax, floor.lockWaits),
        "",
      ),
      atMost(`${many}: log per event`, agents.walBytes, 2 * floor.walBytes, "B"),
    );
  }
  return findings;
}

/** On other cores than the server. */
async function runApart(server: PostgresServer, count: number): Promise<Finding> {
  using _ = keepOnFirstCore(server.pid ?? 0);
  const start = ["taskset", "--cpu-list", otherCores];
  const floor = await runWriters(server, "row-floor.ts", count, start);
  const agents = await runWriters(server, "pipeline-floor.ts", count, start);
  const what = `${count} agents store, the database on a core of its own (waits: ${agents.waits})`;
  return atLeast(what, agents.perSecond, floor.perSecond, 0.9, "/s");
}

/** @param start what starts each program: a command and its arguments, before Node */
async function runWriters(
  { url, pid = 0 }: PostgresServer,
  program: string,
  count: number,
  start: readonly string[] = [],
): Promise<Run> {
  const run = randomUUID();
  return await asSuperuser(async (client) => {
    await client.query("truncate attune.event, attune.enforcement, attune.outbox cascade; checkpoint");
    const startAtMs = Date.now() + warmUpMsPerWriter * (count + 1);
    const outcomes = Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const name = `${run}-${n}`;
        const path = join(import.meta.dirname, "../rig", program);
        const args = [process.execPath, path, url, `${seconds}`, `${startAtMs}`, name];
        const [file = "", ...others] = [...start, ...args];
        const { stdout } = await promisify(execFile)(file, others);
        const outcome: Outcome = JSON.parse(stdout);
        return { ...outcome, perSecond: outcome.count / outcome.seconds };
      }),
    );
    await delay(startAtMs - Date.now());
    const before = { ...(await serverFacts(client)), processor: serverSeconds(pid) };
    const over = new AbortController();
    const watch = watchWaits(client, over.signal);
    const results = await outcomes.finally(() => over.abort());
    const { lockWaits, waits } = await watch;
    const after = await serverFacts(client);
    const stored = results.reduce((sum, { count: own }) => sum + own, 0);
    return {
      perSecond: results.reduce((sum, result) => sum + result.perSecond, 0),
      processorUs: ((serverSeconds(pid) - before.processor) * 1e6) / stored,
      writerUs: (results.reduce((sum, result) => sum + result.processorSeconds, 0) * 1e6) / stored,
      walBytes: (after.wal - before.wal) / stored,
      multixacts: (after.multixacts - before.multixacts) / stored,
      lockWaits,
      waits,
    };
  }, url);
}

async function serverFacts(client: Client): Promise<{ readonly wal: number; readonly multixacts: number }> {
  const { rows } = await client.query<{ wal: number; multixacts: number }>(
    "select (pg_current_wal_lsn() - '0/0')::float8 as wal, mxid_age('1'::xid) as multixacts",
  );
  return rows[0] ?? { wal: Number.NaN, multixacts: Number.NaN };
}

async function watchWaits(client: Client, signal: AbortSignal): Promise<Pick<Run, "lockWaits" | "waits">> {
  const found = new Map<string, number>();
  let looks = 0;
  while (!signal.aborted) {
    const { rows } = await client.query<{ wait: string; type: string; count: number }>(
      `select coalesce(wait_event, 'none') as wait, coalesce(wait_event_type, '') as type, count(*)::int as count
         from pg_stat_activity
        where state = 'active' and pid <> pg_backend_pid()
        group by 1, 2`,
    );
    for (const { wait, type, count } of rows) {
      looks += count;
      const key = type === "Lock" ? `lock on ${wait}` : wait;
      found.set(key, (found.get(key) ?? 0) + count);
    }
    await delay(lookMs);
  }
  const part = (count: number): number => count / Math.max(looks, 1);
  const locks = [...found].filter(([wait]) => wait.startsWith("lock ")).map(([, count]) => count);
  const most = [...found]
    .toSorted(([, one], [, other]) => other - one)
    .filter(([wait], place) => place < 4 || wait.startsWith("lock "));
  return {
    lockWaits: part(locks.reduce((sum, count) => sum + count, 0)),
    waits: most.map(([wait, count]) => `${wait} ${Math.round(part(count) * 100)}%`).join(", "),
  };
}

/**
 * Agents that store at once, against as many minimal programs that insert the same rows: on a server of their own, whose locks,
 * log and multixacts are watched meanwhile.
 */
import { execFile } from "node:child_process";
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
import { serverSeconds } from "../rig/processor-seconds.ts";
import type { PostgresServer } from "../../../scripts/services/postgres.ts";
import type { Finding } from "../rig/report.ts";

const seconds = 4;
const startMsPerWriter = 500;
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
      atMost(`${many}: looks that find a lock waited for`, agents.lockWaits, 0.05, ""),
      atMost(`${many}: log per event`, agents.walBytes, 2 * floor.walBytes, "B"),
    );
  }
  return findings;
}

async function runWriters({ url, pid = 0 }: PostgresServer, program: string, count: number): Promise<Run> {
  return await asSuperuser(async (client) => {
    await client.query("truncate attune.event, attune.enforcement, attune.outbox cascade; checkpoint");
    const before = { ...(await serverFacts(client)), processor: serverSeconds(pid) };
    const startAtMs = Date.now() + startMsPerWriter * (count + 1);
    const outcomes = Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const name = `${program}-${count}-${n}`;
        const args = [join(import.meta.dirname, "../rig", program), url, `${seconds}`, `${startAtMs}`, name];
        const { stdout } = await promisify(execFile)(process.execPath, args);
        const outcome: Outcome = JSON.parse(stdout);
        return { ...outcome, perSecond: outcome.count / outcome.seconds };
      }),
    );
    const over = new AbortController();
    const watch = watchWaits(client, startAtMs, over.signal);
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

async function watchWaits(
  client: Client,
  startAtMs: number,
  signal: AbortSignal,
): Promise<Pick<Run, "lockWaits" | "waits">> {
  const found = new Map<string, number>();
  let looks = 0;
  await delay(Math.max(0, startAtMs - Date.now()));
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

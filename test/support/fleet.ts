/**
 * Schedulers of many agents in one process, on a real database, each with connections of its own and woken by the same
 * notifications as in the service. They count the statements that they send.
 */
import { randomUUID } from "node:crypto";
import type { Database, Query, Queryable } from "../../src/database/database.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import type { Id } from "../../src/model/identifiers.ts";
import { Scheduler } from "../../src/scheduling/scheduler.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, insertWorker, query } from "./platform-rows.ts";

export interface FleetMember {
  readonly name: string;
  readonly workerId: Id;
  readonly scheduler: Scheduler;
  /** Statements by name, and the rows that they returned. */
  readonly sent: ReadonlyMap<string, { readonly calls: number; readonly rows: number }>;
  readonly forgetSent: () => void;
  /** As if its process were killed: its connections end, and nothing is released. */
  readonly kill: () => Promise<void>;
}

export interface FleetOptions {
  readonly url: string;
  readonly name: string;
  readonly sensorCountMax: number;
  readonly leaseSeconds: number;
  readonly renewalIntervalMs: number;
  readonly lookIntervalMs: number;
}

export async function startMember(options: FleetOptions): Promise<FleetMember> {
  const { url, name, sensorCountMax, leaseSeconds } = options;
  const opened = await openPostgresql({ url, logger: silentLogger, connectionsMax: 3 });
  const sent = new Map<string, { calls: number; rows: number }>();
  const database = counting(opened, sent);
  const instance = randomUUID();
  const workerId = await insertWorker(opened, { name, instance, sensorCountMax, leaseSeconds });
  const scheduler = new Scheduler({
    database,
    workerId,
    instance,
    leaseSeconds,
    renewalIntervalMs: options.renewalIntervalMs,
    lookIntervalMs: options.lookIntervalMs,
    isRunning: () => false,
    onRenewed: () => {},
    onHeldChanged: () => {},
    onOthersChanged: () => {},
    onSuperseded: () => {},
    metrics: { leasesLost: () => {} },
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  const listening = await opened.listen("attune_change", (payload) => {
    const [table, concerned] = payload?.split(" ", 2) ?? [];
    if (table === "sensor_assignment") scheduler.noteAssignments(concerned);
    else if (table === "worker") scheduler.noteWorker(concerned);
    else scheduler.wake();
  });
  const ending = new AbortController();
  const run = scheduler.run(ending.signal);
  return {
    name,
    workerId,
    scheduler,
    sent,
    forgetSent: () => sent.clear(),
    async kill() {
      ending.abort();
      await run;
      await listening[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
}

/** Sensors of one trigger, with a rule, in one statement. */
export async function insertSensorsAtOnce(database: Database, count: number): Promise<void> {
  await insertTrigger(database, "fleet.tick");
  await insertRule(database, { ref: "fleet.rule", triggerRef: "fleet.tick" });
  await query(
    database,
    `insert into sensor (ref, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol)
     select 'fleet.s' || n, 'fleet', 'sensor.py', 'core.sensor.python', trigger.id, trigger.ref, 'stream'
       from trigger, generate_series(1, $1::int) as n
      where trigger.ref = 'fleet.tick'`,
    [count],
  );
}

export function heldBy(members: readonly FleetMember[]): number {
  return members.reduce((sum, { scheduler }) => sum + scheduler.held().size, 0);
}

function counting(database: Database, sent: Map<string, { calls: number; rows: number }>): Database {
  const counted = (queryable: Queryable): Queryable => ({
    async query(statement: Query) {
      const answer = await queryable.query(statement);
      const name = statement.name ?? statement.text;
      const { calls, rows } = sent.get(name) ?? { calls: 0, rows: 0 };
      sent.set(name, { calls: calls + 1, rows: rows + answer.rows.length });
      return answer;
    },
  });
  return {
    ...database,
    ...counted(database),
    reserved: counted(database.reserved),
    relaxed: counted(database.relaxed),
    transaction: (work) => database.transaction((transaction) => work(counted(transaction))),
  };
}

/**
 * Goal: one large event that very many rules match costs its agent and the neighbour nothing but a moment.
 * Method: two agents with short leases and a sensor each beside the one of the large event, with real PostgreSQL and
 * RabbitMQ. From the moment the event is printed until its last message has arrived, all leases and what else happens
 * are looked at again and again.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "amqplib";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

const rules = 200;
const largeBytes = 1_000_000;
const lease = { lease_duration: 5, lease_renewal_interval: 0.5 };
const small = ["fault.pulse_1", "fault.pulse_2", "fault.pulse_3"];

test(
  `an event of 1 MB that ${rules} rules match stops no sensor, no lease, and not the events of others`,
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    const { database } = fresh;
    await using vhost = await freshVhost();
    await using enforced = await countEnforcements(vhost.url);
    await using folders = new AsyncDisposableStack();
    const folder = async (workerName: string): Promise<AgentFolder> =>
      folders.use(
        await agentFolder({
          databaseUrl: fresh.url,
          brokerUrl: vhost.url,
          packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
          workerName,
          sensor: lease,
        }),
      );
    const [one, two] = [await folder("one"), await folder("two")] as const;
    const largeFile = join(one.path, "large");
    for (const ref of ["fault.large", ...small]) {
      await insertTrigger(database, ref);
      await insertSensor(database, {
        ref,
        triggerRef: ref,
        runtimeRef: "core.sensor.nodejs",
        entrypoint: "pulse.mjs",
      });
    }
    await query(database, "update sensor set config = $1", [JSON.stringify({ pauseMs: 20 })]);
    await query(database, "update sensor set config = $1 where ref = 'fault.large'", [
      JSON.stringify({ pauseMs: 20, largeFile, largeBytes }),
    ]);
    // A sensor without a rule does not run.
    await query(
      database,
      `insert into rule (ref, action_ref, trigger, trigger_ref, conditions)
       select 'fault.rule_' || trigger.id || '_' || n, 'core.noop', trigger.id, trigger.ref,
              '[{"field": "isLarge", "operator": "equals", "value": true}]'
         from trigger, generate_series(1, case trigger.ref when 'fault.large' then $1 else 1 end) as n`,
      [rules],
    );
    await using agentOne = await startAgent(one);
    await ready(agentOne, one, 60_000);
    await using agentTwo = await startAgent(two);
    await ready(agentTwo, two, 60_000);
    await expect
      .poll(async () => (await runs(database)).filter(({ pid }) => pid !== null).length, { timeout: 60_000 })
      .toBe(1 + small.length);
    await expect.poll(() => countOf(database), { timeout: 60_000 }).toHaveLength(1 + small.length);
    const before = {
      runs: await runs(database),
      bytes: await bytesOf(database),
      counts: await countOf(database),
    };

    await writeFile(largeFile, "");
    const lowest = { remainingSeconds: Number.POSITIVE_INFINITY };
    const isOver = async (): Promise<boolean> => {
      lowest.remainingSeconds = Math.min(lowest.remainingSeconds, await shortestLease(database));
      return enforced.ids.size >= rules;
    };
    await expect.poll(isOver, { timeout: 120_000, interval: 50 }).toBe(true);

    expect(enforced.ids.size).toBe(rules);
    // Of both workers and all assignments, at every look.
    expect(lowest.remainingSeconds).toBeGreaterThan(0);
    expect(await runs(database)).toEqual(before.runs);
    const counts = new Map((await countOf(database)).map(({ ref, events }) => [ref, events]));
    for (const { ref, events } of before.counts) expect(counts.get(ref)).toBeGreaterThan(events);
    // The payload once, small rows beside it, and what others stored meanwhile; no copies, living or dead.
    expect((await bytesOf(database)) - before.bytes).toBeLessThan((rules / 10) * largeBytes);
    for (const { logPath } of [one, two]) {
      expect(await readFile(logPath, "utf8")).not.toMatch(/lost assignments|could not be stored|timeout/);
    }
    await agentOne.assertRunning();
    await agentTwo.assertRunning();
  },
);

/** Who runs what since when, under which term. */
async function runs(database: Database): Promise<{ readonly pid: number | null }[]> {
  return await query(
    database,
    `select sensor.ref, worker.name, generation, pid, started_at
       from sensor
       join sensor_assignment on sensor_assignment.sensor = sensor.id
       join worker on worker.id = sensor_assignment.worker
       left join sensor_process on sensor_process.sensor = sensor.id and sensor_process.status = 'running'
      order by sensor.ref`,
  );
}

async function countOf(database: Database): Promise<{ readonly ref: string; readonly events: number }[]> {
  return await query(
    database,
    "select trigger_ref as ref, count(*)::int as events from event where trigger_ref like 'fault.%' group by 1",
  );
}

/** Seconds until the first lease of a worker runs out. */
async function shortestLease(database: Database): Promise<number> {
  const [row] = await query<{ seconds: number }>(
    database,
    `select extract(epoch from min(lease_expires_at) - clock_timestamp())::float8 as seconds
       from worker`,
  );
  return row?.seconds ?? 0;
}

/** What the tables take with their indexes, with whatever is dead in them. */
async function bytesOf(database: Database): Promise<number> {
  const [row] = await query<{ bytes: number }>(
    database,
    `select sum(pg_total_relation_size(oid))::float8 as bytes
       from pg_class
      where relkind = 'r' and relnamespace = 'attune'::regnamespace`,
  );
  return row?.bytes ?? 0;
}

async function countEnforcements(
  url: string,
): Promise<AsyncDisposable & { readonly ids: ReadonlySet<string> }> {
  const ids = new Set<string>();
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await channel.assertExchange("attune.events", "topic", { durable: true });
  await channel.assertQueue("received");
  await channel.bindQueue("received", "attune.events", "enforcement.#");
  await channel.consume("received", (message) => ids.add(message?.properties.messageId), { noAck: true });
  return { ids, [Symbol.asyncDispose]: () => connection.close() };
}

/**
 * Catching up: messages of 1 kB events, one in ten with an enforcement, that a dead process owes, published by an agent
 * that starts beside them.
 *
 * The floor is a minimal program that has the same messages confirmed, and does nothing with a database. Floor and agent
 * take turns, so that both see the same machine; the medians are compared. The agent's rate is taken from a fifth of the
 * way to the last message in the queue, without its start. ATTUNE_BENCH_BACKLOG is the number of events.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Database } from "../../src/database/database.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { startBenchAgent, until } from "./rig/agent.ts";
import { watchQueue } from "./rig/queue.ts";
import { median, report } from "./rig/report.ts";

const rounds = 3;
const floorSeconds = 6;
const events = Number(process.env["ATTUNE_BENCH_BACKLOG"] ?? 60_000);
const messages = events + Math.floor(events / 10);
const ratioRequired = 0.8;

const floors: number[] = [];
const rates: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  floors.push(await measureFloor());
  rates.push(await measureAgent());
}
const floor = median(floors);
const rate = median(rates);
report(`Catching up with ${messages} owed messages of 1 kB (messages/s, medians), ${agentCommand().what}`, [
  {
    what: "outbox to confirmed messages",
    measured: rate.toFixed(0),
    floor: floor.toFixed(0),
    ratio: rate / floor,
    required: `at least ${ratioRequired} × the floor`,
    isReached: rate / floor >= ratioRequired,
  },
]);

async function measureFloor(): Promise<number> {
  await using vhost = await freshVhost();
  const args = [join(import.meta.dirname, "rig", "message-floor.ts"), vhost.url, String(floorSeconds)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { count, seconds }: { count: number; seconds: number } = JSON.parse(stdout);
  return (count * 1.1) / seconds;
}

async function measureAgent(): Promise<number> {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using queue = await watchQueue(vhost.url);
  await oweMessages(database.database);
  await using agent = await startBenchAgent(database, vhost, { count: 0, perSecond: 1 });

  let begunAtMs = 0;
  let depthAtBegin = 0;
  const depth = async (): Promise<number> => {
    const found = await queue.depth();
    if (begunAtMs === 0 && found >= messages / 5) [begunAtMs, depthAtBegin] = [performance.now(), found];
    return found;
  };
  await until(
    agent,
    async () => (await depth()) >= messages,
    120_000,
    `not all ${messages} messages arrived`,
  );
  return (messages - depthAtBegin) / ((performance.now() - begunAtMs) / 1_000);
}

/** As an agent leaves them that died while the broker was down. */
async function oweMessages(database: Database): Promise<void> {
  const instance = randomUUID();
  const idOf = (kind: number, column: string): string =>
    `(substr(id::text, 1, 13) || '-800${kind}-8000-' || lpad(to_hex(${column}), 12, '0'))::uuid`;
  await database.query({
    text: `
      with stored as (
        insert into event (trigger_ref, config, payload)
        select 'bench.line', '{}', jsonb_build_object('sequence', n, 'filler', repeat('x', 920))
          from generate_series(1, ${events}) as n
        returning id, payload, trigger_ref
      ), enforced as (
        insert into enforcement (rule, rule_ref, trigger_ref, action_ref, event, config, payload)
        select 1, 'bench.tenth', trigger_ref, 'bench.act', id, '{}', payload
          from stored
         where id % 10 = 0
        returning id
      )
      insert into outbox (message_id, routing_key, event, enforcement, instance, bytes)
      select ${idOf(1, "event")}, 'event.created', event, null::bigint, '${instance}'::uuid, 1000
        from installation, (select id as event from stored) as owed
       union all
      select ${idOf(2, "enforcement")}, 'enforcement.created', null, enforcement, '${instance}', 1000
        from installation, (select id as enforcement from enforced) as owed`,
    timeoutMs: 300_000,
  });
  await database.query({
    text: `insert into outbox_owner (instance) values ('${instance}')`,
  });
  await database.query({ text: "analyze" });
}

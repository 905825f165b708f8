/**
 * Fairness between sensors: the latency of a slow sensor's event, from the line written to its message consumed, while
 * the same agent has a sensor with thousands of events that the database rejects, one with an event that never ends
 * within a statement's limit, and a healthy one at 500 events/s.
 *
 * The floor is the same sensor's latency on the same agent before the others start and after they have ended, since the
 * machine's own speed changes from minute to minute. How much of its own rate the healthy
 * sensor keeps is compared with the rate it asks for. ATTUNE_BENCH_POISONED is the number of bad events.
 */
import { join } from "node:path";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { agentFolder, startAgent } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { until } from "./rig/agent.ts";
import { watchQueue } from "./rig/queue.ts";
import { median, report } from "./rig/report.ts";

const poisoned = Number(process.env["ATTUNE_BENCH_POISONED"] ?? 20_000);
const healthyPerSecond = 500;
const samplesIdle = 30;
const forever = 1_000_000_000;
const latencyRatioMax = 2;
const rateRatioMin = 0.9;

await using fresh = await freshDatabase();
await using vhost = await freshVhost();
const { database } = fresh;
await rejectPoison(database);
await using queue = await watchQueue(vhost.url);
/** In milliseconds, by trigger. */
const latenciesMs = new Map<string, number[]>();
await queue.consume((routingKey, body) => {
  if (routingKey !== "event.created") return;
  const nowUs = Number(process.hrtime.bigint() / 1_000n);
  const { payload }: { payload: { trigger_ref: string; payload: { writtenAtUs?: number } } } = JSON.parse(
    body.toString("utf8"),
  );
  const { writtenAtUs } = payload.payload;
  if (writtenAtUs === undefined) return;
  const known = latenciesMs.get(payload.trigger_ref) ?? [];
  known.push((nowUs - writtenAtUs) / 1_000);
  latenciesMs.set(payload.trigger_ref, known);
});
const of = (ref: string): readonly number[] => latenciesMs.get(ref) ?? [];

await addSensor(database, "bench.slow", { count: forever, perSecond: 1 });
await using folder = await agentFolder({
  databaseUrl: fresh.url,
  brokerUrl: vhost.url,
  packsDirectory: join(repositoryRoot, "test/bench/packs"),
  workerName: "bench",
});
const environment = { ATTUNE_SENSOR_RUNTIMES: "node" };
await using agent = await startAgent(folder, { environment, command: agentCommand() });
// The first events find connections and caches cold.
const warmUp = 5;
const isMeasured = async (): Promise<boolean> => of("bench.slow").length >= warmUp + samplesIdle;
await until(agent, isMeasured, 120_000, "an idle agent did not deliver one event a second");
const before = of("bench.slow").slice(warmUp);

await addSensor(database, "bench.stuck", { count: 1, perSecond: 1, payload: { delay: 3_600 } });
await addSensor(database, "bench.healthy", { count: forever, perSecond: healthyPerSecond });
await addSensor(database, "bench.poisoned", { count: poisoned, perSecond: 0, payload: { poison: 1 } });
const refused = async (): Promise<number> => {
  const text = await (await fetch(`${folder.apiUrl}/metrics`)).text();
  return Number(/^attune_sensor_agent_events_refused_total(?:\{[^}]*\})? (\d+)$/m.exec(text)?.[1] ?? 0);
};
const hasBegun = async (): Promise<boolean> => of("bench.healthy").length > 0 && (await refused()) > 0;
await until(agent, hasBegun, 120_000, "no bad event was refused");
const begun = {
  slow: of("bench.slow").length,
  healthy: of("bench.healthy").length,
  atMs: performance.now(),
};
await until(agent, async () => (await refused()) >= poisoned, 600_000, "not all bad events were refused");
const seconds = (performance.now() - begun.atMs) / 1_000;
const besideMs = median(of("bench.slow").slice(begun.slow));
const samples = of("bench.slow").length - begun.slow;
const healthyRate = (of("bench.healthy").length - begun.healthy) / seconds;

await query(database, "update sensor set enabled = false where ref <> 'bench.slow'");
// An accepted event is waited for as long as it takes, so the stuck one has to be let through.
await query(
  database,
  "create or replace function delay_event() returns trigger language plpgsql as 'begin return new; end'",
);
await until(agent, async () => !(await othersRun()), 120_000, "the other sensors did not stop");
const ended = of("bench.slow").length;
const isMeasuredAgain = async (): Promise<boolean> => of("bench.slow").length >= ended + samplesIdle;
await until(agent, isMeasuredAgain, 120_000, "an idle agent did not deliver one event a second");
const idleMs = median([...before, ...of("bench.slow").slice(ended)]);

report(
  `Beside ${poisoned} bad events (${(poisoned / seconds).toFixed(0)}/s), a stuck one and ${healthyPerSecond} events/s, ${agentCommand().what}`,
  [
    {
      what: `p50 of one event a second (${samples} events)`,
      measured: `${besideMs.toFixed(2)} ms`,
      floor: `${idleMs.toFixed(2)} ms`,
      ratio: besideMs / idleMs,
      required: `at most ${latencyRatioMax} × that of the idle agent`,
      isReached: besideMs <= latencyRatioMax * idleMs,
    },
    {
      what: "healthy sensor, events/s",
      measured: healthyRate.toFixed(0),
      floor: String(healthyPerSecond),
      ratio: healthyRate / healthyPerSecond,
      required: `at least ${rateRatioMin} × what it prints`,
      isReached: healthyRate >= rateRatioMin * healthyPerSecond,
    },
  ],
);

async function othersRun(): Promise<boolean> {
  const running = await query(
    database,
    "select from sensor_process join sensor on sensor.id = sensor where status = 'running' and ref <> 'bench.slow'",
  );
  return running.length > 0;
}

async function addSensor(into: Database, ref: string, config: object): Promise<void> {
  await insertTrigger(into, ref);
  await insertRule(into, {
    ref: `${ref}_rule`,
    triggerRef: ref,
    conditions: [{ field: "isTenth", operator: "equals", value: true }],
  });
  await insertSensor(into, {
    ref,
    triggerRef: ref,
    runtimeRef: "core.sensor.nodejs",
    entrypoint: "emitter.mjs",
  });
  await query(into, "update sensor set config = $2 where ref = $1", [ref, JSON.stringify(config)]);
}

/** What the pipeline cannot foresee: a rule of the database's own, and a trigger that takes for ever. */
async function rejectPoison(into: Database): Promise<void> {
  await query(into, "alter table event add constraint odd check (payload ->> 'poison' is null)");
  await query(
    into,
    `create function delay_event() returns trigger language plpgsql as $$
     begin
       perform pg_sleep((new.payload ->> 'delay')::float8);
       return new;
     end $$`,
  );
  await query(
    into,
    `create trigger event_is_delayed before insert on event for each row
       when (new.payload ->> 'delay' is not null) execute function delay_event()`,
  );
}

/**
 * Explaining an event over HTTP: 1,000 rules on its trigger, events in ten partitions. The limit is 100 ms. Beside the time it
 * shows the longest turn of the event loop, which the client in the same process shares.
 *
 * ATTUNE_BENCH_EVENTS: how many events (default: 1,000,000; the goal is for ten million).
 */
import { apiOn } from "../support/definitions-api.ts";
import { watchTurns } from "../support/longest-turn.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { quantile, report, type Finding } from "./rig/report.ts";

const rules = 1_000;
const changesOfEach = 5;
const events = Number(process.env["ATTUNE_BENCH_EVENTS"] ?? 1_000_000);
const partitions = 10;
/** Beyond the partition that a new database has. */
const idFirst = 1_000_000_000_000;
const repetitions = 50;
const limitMs = 100;
/** In a new process: all versions are read and compiled, by code that the engine has not optimized. */
const firstMsMax = 1_000;
const turnMsMax = 20;

await using fresh = await freshDatabase();
const { database } = fresh;
await insertTrigger(database, "bench.t");
await query(
  database,
  `insert into rule (ref, action_ref, trigger_ref, conditions)
   select 'bench.r' || n, 'a', 'bench.t',
          jsonb_build_array(jsonb_build_object('field', 'n', 'operator', 'equals', 'value', n),
                            jsonb_build_object('field', 'level', 'operator', 'in', 'value', '["high", "low"]'::jsonb))
     from generate_series(1, $1::int) as n`,
  [rules],
);
for (let change = 0; change < changesOfEach; change += 1) {
  await query(database, "update rule set action_params = jsonb_build_object('change', $1::int)", [change]);
}
const client = await fresh.connect();
// Indexed afterwards: how the rows came to be is not measured.
await client.query(`
  set search_path to attune, public;
  set synchronous_commit to off;
  drop index event_created, event_trigger_created`);
const ofPartition = Math.ceil(events / partitions);
for (let first = idFirst; first < idFirst + events; first += ofPartition) {
  await client.query("select add_partition('event', $1, $2)", [first, first + ofPartition]);
  await client.query(
    `insert into event (id, trigger_ref, payload, config, matched_revision)
     select n, 'bench.t', jsonb_build_object('n', n, 'level', 'High'), '{}',
            (select value from trigger_revision where trigger_ref = 'bench.t')
       from generate_series($1::bigint, $2::bigint) as n`,
    [first, Math.min(first + ofPartition, idFirst + events) - 1],
  );
}
await client.query(`
  create index event_created on event (created, id);
  create index event_trigger_created on event (trigger_ref, created, id);
  select setval('event_id_seq', ${idFirst + events});
  analyze`);
await using api = await apiOn(database);

async function ask(id: number): Promise<number> {
  const startedAtMs = performance.now();
  const response = await fetch(`${api.address}/api/v1/events/${id}/explain`, {
    headers: { authorization: "Bearer viewer" },
  });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`event ${id}: ${response.status}`);
  return performance.now() - startedAtMs;
}

const firstMs = await ask(idFirst + events - 1);
using turns = watchTurns();
const milliseconds: number[] = [];
for (let repetition = 0; repetition < repetitions; repetition += 1)
  milliseconds.push(await ask(idFirst + Math.floor((events - 1) * (repetition / repetitions))));
const turnMs = turns.longestMs();

const timeOf = (what: string, ms: number, msMax = limitMs): Finding => ({
  what,
  measured: ms.toFixed(1),
  floor: String(msMax),
  ratio: ms / msMax,
  required: "at most the limit",
  isReached: ms <= msMax,
});
report(`An event explained by ${rules} rules of ${changesOfEach + 1} versions, of ${events} events`, [
  timeOf("the first (ms)", firstMs, firstMsMax),
  timeOf("median (ms)", quantile(milliseconds, 0.5)),
  timeOf("19 of 20 within (ms)", quantile(milliseconds, 0.95)),
  timeOf("longest turn of the event loop (ms)", turnMs, turnMsMax),
]);

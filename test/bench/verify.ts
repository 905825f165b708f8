/**
 * A whole verification of a million events with as many enforcements and 100,000 dedup keys: every event is matched again by
 * the rules of its revision. Twenty triggers have 50 rules each, and half of the events were matched before a change of a rule.
 *
 * The limit is 60 s. Beside the time it shows the longest turn of the event loop, which everything else on the agent waits for.
 */
import { VerificationReport } from "../../src/verification/verification-report.ts";
import { verify } from "../../src/verification/verify.ts";
import { openRig } from "../events/pipeline-rig.ts";
import { watchTurns } from "../support/longest-turn.ts";
import { report, type Finding } from "./rig/report.ts";

const count = Number(process.env["ATTUNE_BENCH_EVENTS"] ?? 1_000_000);
const limitMs = (60_000 * count) / 1_000_000;
const heapBytesMax = 256 * 1024 * 1024;

await using rig = await openRig();
const client = await rig.fresh.connect();
const revisions = `(select trigger_ref as of_trigger, value from trigger_revision)`;
const addRows = async (from: number, to: number): Promise<void> => {
  await client.query(`
    insert into event (id, trigger_ref, source, source_ref, payload, config, dedup_key, matched_revision)
    select n, 'load.' || n % 20, null, null,
           jsonb_build_object('kind', n % 50, 'celsius', n % 100, 'device', 'thermometer ' || n, 'text', repeat('x', 200)),
           '{}', case when n % 10 = 0 then 'key ' || n end, revision.value
      from generate_series(${from}, ${to}) as n
      join ${revisions} as revision on revision.of_trigger = 'load.' || n % 20;
    insert into enforcement (id, rule, rule_ref, trigger_ref, event, config, payload)
    select event.id, rule.id, rule.ref, event.trigger_ref, event.id, '{}', event.payload
      from event
      join rule on rule.trigger_ref = event.trigger_ref and rule.ref like '%.' || (event.payload ->> 'kind')
     where event.id between ${from} and ${to}`);
};
// Not logged: how the rows came to be is not measured.
await client.query(`
  set search_path to attune, public;
  alter table event set unlogged;
  alter table enforcement set unlogged;
  insert into trigger (ref, label) select 'load.' || t, 'x' from generate_series(0, 19) as t;
  insert into rule (ref, action_ref, trigger_ref, conditions)
  select 'load.' || t || '.' || k, 'core.noop', 'load.' || t,
         jsonb_build_array(jsonb_build_object('field', 'kind', 'operator', 'equals', 'value', k),
                           jsonb_build_object('field', 'celsius', 'operator', 'greater_than', 'value', -1))
    from generate_series(0, 19) as t, generate_series(0, 49) as k`);
await addRows(1, Math.floor(count / 2));
await client.query(`update rule set action_params = '{"changed": true}' where ref like '%.7'`);
await addRows(Math.floor(count / 2) + 1, count);
await client.query(`
  insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
  select trigger_ref, '', dedup_key, floor(extract(epoch from now()) / 86400), id from event where dedup_key is not null;
  select setval('event_id_seq', ${count}), setval('enforcement_id_seq', ${count})`);
await client.query("analyze");

const found = new VerificationReport();
const { database, installationId } = rig;
const { signal } = new AbortController();
const steps = verify({ database, installationId, report: found, isRepairing: false, signal }, null);
let heapBytes = 0;
using turns = watchTurns();
const startedAtMs = performance.now();
for await (const _ of steps) heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed);
const tookMs = performance.now() - startedAtMs;
const longestMs = turns.longestMs();
if (found.violationCount > 0 || found.unprovable > 0) throw new Error(JSON.stringify(found.json()));

const findings: Finding[] = [
  {
    what: "time (s)",
    measured: (tookMs / 1_000).toFixed(1),
    floor: (limitMs / 1_000).toFixed(1),
    ratio: tookMs / limitMs,
    required: "at most the limit",
    isReached: tookMs <= limitMs,
  },
  {
    what: "heap at most (MB)",
    measured: (heapBytes / 1024 / 1024).toFixed(0),
    floor: String(heapBytesMax / 1024 / 1024),
    ratio: heapBytes / heapBytesMax,
    required: "at most the limit",
    isReached: heapBytes <= heapBytesMax,
  },
  {
    what: "longest turn (ms)",
    measured: longestMs.toFixed(0),
    floor: "50",
    ratio: longestMs / 50,
    required: "for information",
    isReached: true,
  },
];
report(`Verification of ${count} events (${JSON.stringify(found.checked)})`, findings);

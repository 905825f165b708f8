/**
 * Pages of 100 from ten million events, over HTTP, at several places of the list.
 *
 * The limit is 20 ms for the first page, for the next by cursor from anywhere, and for those of one trigger.
 */
import { openRig } from "../events/pipeline-rig.ts";
import { openPostingApi } from "../support/posting-api.ts";
import { median, report, type Finding } from "./rig/report.ts";

const count = Number(process.env["ATTUNE_BENCH_EVENTS"] ?? 10_000_000);
const limitMs = 20;
const rounds = 15;

await using rig = await openRig();
const client = await rig.fresh.connect();
// Not logged, and indexed afterwards: how the rows came to be is not measured.
await client.query(`
  set search_path to attune, public;
  alter table event set unlogged;
  drop index event_created, event_trigger_created;
  insert into event (trigger_ref, source, source_ref, payload, config, created)
  select 'demo.' || n % 100, n % 50, 'sensor.' || n % 50, '{"celsius": 21.5, "device": "thermometer"}', '{}',
         timestamptz '2026-01-01T00:00:00Z' + n / 10 * interval '1 s'
    from generate_series(1, ${count}) as n;
  create index event_created on event (created, id);
  create index event_trigger_created on event (trigger_ref, created, id);
  analyze event`);
await using posting = await openPostingApi(rig);

interface List {
  readonly items: readonly unknown[];
  readonly pagination: { readonly before: string };
}

async function page(parameters: string): Promise<List> {
  const url = `${posting.api.address}/api/v1/events?limit=100&${parameters}`;
  const response = await fetch(url, { headers: { authorization: "Bearer admin" } });
  const list: List = JSON.parse(await response.text());
  if (list.items.length !== 100) throw new Error(`${parameters}: ${list.items.length} events`);
  return list;
}

const middle = `${Date.parse("2026-01-01T00:00:00Z") + count * 50}000-${count / 2}`;
const pages = {
  "the first": "",
  "the next by cursor": `before=${(await page("")).pagination.before}`,
  "one in the middle, by cursor": `before=${middle}`,
  "towards newer ones": `after=${middle}`,
  "the hundredth, by number": "page=100",
  "of one trigger": "trigger_ref=demo.42",
  "of one trigger, in the middle": `trigger_ref=demo.42&before=${middle}`,
};
const findings: Finding[] = [];
for (const [what, parameters] of Object.entries(pages)) {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const startedAtMs = performance.now();
    await page(parameters);
    times.push(performance.now() - startedAtMs);
  }
  const measuredMs = median(times);
  findings.push({
    what,
    measured: measuredMs.toFixed(1),
    floor: String(limitMs),
    ratio: measuredMs / limitMs,
    required: "at most the limit",
    isReached: measuredMs <= limitMs,
  });
}
report(`A page of 100 from ${count} events (ms, medians)`, findings);

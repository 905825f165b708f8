/**
 * A back-test over a million stored events, in its thread and on its connection, and the server that it reads from, on the
 * same processors. It judges each event by two rules: the draft, and the live rule that it is compared with.
 *
 * The floor is the live matcher's rate on the same events and the live rule, in a thread that does nothing else: an event
 * reaches the matcher as a line that a sensor printed, so the line is decoded (decode-output.ts), then matched
 * (matched-piece.ts). The lines are in memory already; reading them from the sensor's pipe and storing the event are not
 * part of it. For comparison, the rate of matching payloads that are decoded already.
 *
 * A single run of either varies by half from minute to minute, so they are measured in turns, and the ratio is the median of
 * the turns' ratios.
 */
import { Backtests } from "../../src/rules/backtest/backtests.ts";
import { objectOf, type JsonObject } from "../../src/model/json/json.ts";
import type { EventFacts } from "../../src/model/rules/rule-match.ts";
import { decodeLine } from "../../src/sensors/output/decode-output.ts";
import { systemClock } from "../../src/time/clock.ts";
import { ruleText } from "../model/rules/generated-rules.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { ruleSetOf } from "../support/rule-sets.ts";
import { median, report } from "./rig/report.ts";

const count = Number(process.env["ATTUNE_BENCH_EVENTS"] ?? 1_000_000);
const turns = 5;
const secondsMax = 20;
const ratioMin = 0.5;

const conditions = [
  { field: "level", operator: "in", value: ["warning", "critical"] },
  { field: "celsius", operator: "greater_than", value: 30 },
  { field: "device.name", operator: "matches", value: "^probe-1" },
];
const actionParams = { text: "{{ device.name }} is at {{ celsius }}" };

await using fresh = await freshDatabase();
const { database, url } = fresh;
await insertTrigger(database, "demo.read");
await insertRule(database, { ref: "demo.hot", triggerRef: "demo.read", conditions, actionParams });
const client = await fresh.connect();
await client.query(`
  set search_path to attune, public;
  insert into event (trigger_ref, source_ref, payload, config, created)
  select 'demo.read', 'demo.probe',
         jsonb_build_object('level', (array['info', 'warning', 'critical'])[1 + n % 3], 'celsius', n % 50,
                            'device', jsonb_build_object('name', 'probe-' || n % 20, 'rack', n % 7),
                            'note', repeat('x', 200)),
         '{}', now() - interval '7 days' + n * interval '500 ms'
    from generate_series(1, ${count}) as n;
  analyze event`);

const reader = {
  url,
  tls: {},
  schema: "attune",
  applicationName: "bench",
  statementMs: 30_000,
};
const backtests = new Backtests({ database, reader: () => reader, clock: systemClock });
const payloads = (
  await query<{ payload: JsonObject }>(database, "select payload from event order by id limit 20000")
).map(({ payload }) => payload);
const lines = payloads.map((payload) => JSON.stringify(payload));
const set = ruleSetOf([ruleText({ ref: "demo.hot", triggerRef: "demo.read", conditions, actionParams })]);
const served = { main: "demo.read", all: new Set(["demo.read"]) };
const liveRate = (): number =>
  ratePerSecond(lines, (line) => {
    const decoded = decodeLine(line, served);
    if (decoded.kind !== "event") throw new Error(`${line} is no event`);
    return matchCount(decoded.event);
  });
const decodedRate = (): number =>
  ratePerSecond(payloads, (payload) =>
    matchCount({ triggerRef: "demo.read", payload, occurredAt: null, triggerInstanceId: null }),
  );

const taken: { readonly seconds: number; readonly live: number; readonly decoded: number }[] = [];
for (let turn = 0; turn < turns; turn += 1)
  taken.push({ live: liveRate(), decoded: decodedRate(), seconds: await backtestSeconds() });
const seconds = median(taken.map((turn) => turn.seconds));
const rate = count / seconds;
const liveRatio = median(taken.map((turn) => count / turn.seconds / turn.live));
const decodedRatio = median(taken.map((turn) => count / turn.seconds / turn.decoded));

report(`back-test of ${count} events`, [
  {
    what: "seconds in all",
    measured: seconds.toFixed(1),
    floor: `${secondsMax}`,
    ratio: seconds / secondsMax,
    required: `at most ${secondsMax} s for a million`,
    isReached: seconds <= (secondsMax * count) / 1_000_000,
  },
  {
    what: "events/s, against the live matcher: lines decoded and matched",
    measured: rate.toFixed(0),
    floor: median(taken.map(({ live }) => live)).toFixed(0),
    ratio: liveRatio,
    required: `at least ${ratioMin}`,
    isReached: liveRatio >= ratioMin,
  },
  {
    what: "events/s, against matching payloads that are decoded already",
    measured: rate.toFixed(0),
    floor: median(taken.map(({ decoded }) => decoded)).toFixed(0),
    ratio: decodedRatio,
    required: "nothing",
    isReached: true,
  },
]);

function matchCount(event: Omit<EventFacts, "id" | "sourceRef">): number {
  const { triggerRef, payload, occurredAt, triggerInstanceId } = event;
  return set.match({ id: "1", triggerRef, payload, sourceRef: null, occurredAt, triggerInstanceId }).length;
}

/** @param matchesOf decides about an event; returns how many rules match it */
function ratePerSecond<Event>(events: readonly Event[], matchesOf: (event: Event) => number): number {
  const rounds = 20;
  let matches = 0;
  const fromMs = performance.now();
  for (let round = 0; round < rounds; round += 1) for (const event of events) matches += matchesOf(event);
  if (matches === 0) throw new Error("nothing matched");
  return (rounds * events.length) / ((performance.now() - fromMs) / 1_000);
}

/** How long a back-test takes. */
async function backtestSeconds(): Promise<number> {
  const outcome = await backtests.prepare({
    ref: "demo.hot",
    changes: {
      conditions: [...conditions.slice(0, 1), { field: "celsius", operator: "greater_than", value: 25 }],
    },
    since: new Date(Date.now() - 8 * 86_400_000),
    until: undefined,
    against: "live",
  });
  if (outcome.kind === "invalid") throw new Error(outcome.problem);
  const startMs = performance.now();
  let judged = 0;
  for await (const step of outcome.run(new AbortController().signal)) {
    if (step.kind === "failed") throw new Error(step.reason);
    if (step.kind === "result") judged = Number(objectOf(step.result["counts"])["events"]);
  }
  const tookSeconds = (performance.now() - startMs) / 1_000;
  if (judged !== count) throw new Error(`${judged} of ${count} events were judged`);
  return tookSeconds;
}

/**
 * A back-test over a million stored events, in its thread and on its connection.
 *
 * The floor is the live matcher's own rate: what a thread matches if the payloads, as JSON texts, are in its memory already.
 */
import { Backtests } from "../../src/rules/backtest/backtests.ts";
import type { RuleText } from "../../src/model/rules/compiled-rule.ts";
import { objectOf } from "../../src/model/json/json.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import { systemClock } from "../../src/time/clock.ts";
import { ruleText } from "../model/rules/generated-rules.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { ruleSetOf } from "../support/rule-sets.ts";
import { report } from "./rig/report.ts";

const count = Number(process.env["ATTUNE_BENCH_EVENTS"] ?? 1_000_000);
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
const seconds = (performance.now() - startMs) / 1_000;
if (judged !== count) throw new Error(`${judged} of ${count} events were judged`);
const rate = count / seconds;

const texts = (
  await query<{ payload: string }>(
    database,
    "select payload::text as payload from event order by id limit 20000",
  )
).map(({ payload }) => payload);
const floor = matchRate(ruleText({ ref: "demo.hot", triggerRef: "demo.read", conditions, actionParams }));

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
    what: "events/s, against the live matcher's from memory",
    measured: rate.toFixed(0),
    floor: floor.toFixed(0),
    ratio: rate / floor,
    required: `at least ${ratioMin}`,
    isReached: rate / floor >= ratioMin,
  },
]);

/** Events per second of the live matcher with that rule, in this thread. */
function matchRate(rule: RuleText): number {
  const set = ruleSetOf([rule]);
  let matched = 0;
  const fromMs = performance.now();
  for (let round = 0; round < 10; round += 1) {
    for (const text of texts) {
      const payload = objectOf(parseJson(text));
      const facts = { triggerRef: rule.triggerRef, payload, sourceRef: null, occurredAt: null };
      matched += set.match({ ...facts, id: "1", triggerInstanceId: null }).length;
    }
  }
  if (matched === 0) throw new Error("nothing matched");
  return (10 * texts.length) / ((performance.now() - fromMs) / 1_000);
}

/**
 * Explaining an event: 1,000 rules on its trigger, and many events stored. The limit is 100 ms.
 *
 * ATTUNE_BENCH_EVENTS: how many events (default: 200,000; the goal is for 10 million).
 */
import { SnapshotReads } from "../../src/database/snapshot-reads.ts";
import { explainStoredEvent } from "../../src/diagnosis/event-explanation.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { quantile, report } from "./rig/report.ts";

const rules = 1_000;
const changesOfEach = 5;
const events = Number(process.env["ATTUNE_BENCH_EVENTS"] ?? "200000");
const repetitions = 50;
const limitMs = 100;

await using fresh = await freshDatabase();
const { database } = fresh;
await query(database, "insert into trigger (ref) values ('bench.t')");
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
const chunk = 100_000;
for (let stored = 0; stored < events; stored += chunk) {
  await database.query({
    text: `insert into event (trigger_ref, payload, matched_revision)
           select 'bench.t', jsonb_build_object('n', n, 'level', 'High'),
                  (select value from trigger_revision where trigger_ref = 'bench.t')
             from generate_series(1, ${Math.min(chunk, events - stored)}) as n`,
    timeoutMs: 300_000,
  });
}
await query(database, "analyze");

const reads = new SnapshotReads(database);
const milliseconds: number[] = [];
let answer = "";
for (let repetition = 0; repetition < repetitions; repetition += 1) {
  const id = String(1 + Math.floor((events - 1) * (repetition / repetitions)));
  const startedAt = performance.now();
  ({ answer } = await reads.read((rows) => explainStoredEvent(rows, id, undefined)));
  milliseconds.push(performance.now() - startedAt);
}
report(
  `${rules} rules of ${changesOfEach + 1} versions, ${events} events: ${answer}`,
  ([0.5, 0.95] as const).map((part) => {
    const ms = quantile(milliseconds, part);
    return {
      what: part === 0.5 ? "median (ms)" : "19 of 20 within (ms)",
      measured: ms.toFixed(1),
      floor: String(limitMs),
      ratio: ms / limitMs,
      required: "at most the limit",
      isReached: ms <= limitMs,
    };
  }),
);

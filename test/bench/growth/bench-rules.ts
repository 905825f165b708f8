import type { Queryable } from "../../../src/database/database.ts";
import { query } from "../../support/platform-rows.ts";

/** A hundred on each trigger: what a rule costs must not depend on how its triggers are cut. */
const rulesPerTrigger = 100;
const rulesPerStatement = 5_000;

/** Rules of distinct hosts, on triggers `grown.t0`, `grown.t1`, … */
export async function insertRules(database: Queryable, count: number): Promise<void> {
  await query(
    database,
    "insert into trigger (ref) select 'grown.t' || n from generate_series(0, ($1::int - 1) / $2::int) as n",
    [count, rulesPerTrigger],
  );
  // A statement may take thirty seconds.
  for (let first = 0; first < count; first += rulesPerStatement) {
    await query(
      database,
      `insert into rule (ref, action_ref, trigger, trigger_ref, conditions, action_params)
       select 'grown.r' || n, 'core.noop', trigger.id, trigger.ref,
              jsonb_build_array(
                jsonb_build_object('field', 'host', 'operator', 'equals', 'value', 'host-' || n),
                jsonb_build_object('field', 'load', 'operator', 'greater_than', 'value', n % 100)
              ),
              '{"text": "{{ event.payload.host }}"}'
         from generate_series($1::int, $2::int - 1) as n
         join trigger
           on trigger.ref = 'grown.t' || n / $3::int`,
      [first, Math.min(first + rulesPerStatement, count), rulesPerTrigger],
    );
  }
  // Their messages were published long ago.
  await query(database, "truncate outbox");
  await query(database, "analyze rule");
}

import { expect } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { query } from "./platform-rows.ts";

export interface TimerBalance {
  readonly ref: string;
  /** Since its schedule began, up to the last slot that is settled. */
  readonly slots: number;
  readonly fired: number;
  readonly skipped: number;
}

/**
 * Checks the books of interval timers: each slot was settled exactly once, those that fired have exactly one event, and the
 * others have none.
 */
export async function timerBalances(database: Database): Promise<readonly TimerBalance[]> {
  const rows = await query<TimerBalance & { readonly events: number; readonly distinct_slots: number }>(
    database,
    `select rule.ref,
            round(extract(epoch from settled_until - series_since)
                  / (rule.trigger_params ->> 'interval')::numeric)::float8 as slots,
            (coalesce((counts ->> 'fired')::int, 0) + coalesce((counts ->> 'late')::int, 0))::int as fired,
            (select coalesce(sum(value::int), 0)::int
               from jsonb_each_text(counts) where key not in ('fired', 'late')) as skipped,
            happened.events, happened.distinct_slots
       from timer_cursor
       join rule on rule.id = timer_cursor.rule
       join lateral (select count(*)::int as events,
                            count(distinct event.payload ->> 'scheduled_at')::int as distinct_slots
                       from event
                      where event.trigger_ref = rule.trigger_ref
                        and event.payload ->> 'rule_ref' = rule.ref
                        and (event.payload ->> 'scheduled_at')::timestamptz <= settled_until
                        and event.dedup_key like 'timer:' || rule.id || ':'
                            || floor(extract(epoch from series_since) * 1000)::bigint || ':%') as happened on true
      where rule.trigger_ref = 'core.intervaltimer'
      order by rule.id`,
  );
  for (const { ref, slots, fired, skipped, events, distinct_slots: distinct } of rows) {
    expect({ ref, events, distinct, settled: fired + skipped }).toEqual({
      ref,
      events: fired,
      distinct: fired,
      settled: slots,
    });
  }
  return rows;
}

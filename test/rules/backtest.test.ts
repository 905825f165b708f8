/** Back-tests in their thread, which reads on a connection of its own, or asks for rows. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BacktestStep } from "../../src/model/rules/backtest-request.ts";
import { Backtests } from "../../src/rules/backtest/backtests.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

/** More than a page of either. */
const count = 12_000;
const limit = { timeout: 120_000 };

const opened = new AsyncDisposableStack();
let fresh: FreshDatabase;

beforeAll(async () => {
  fresh = opened.use(await freshDatabase());
  const { database } = fresh;
  await insertTrigger(database, "paged.t");
  await insertRule(database, {
    ref: "paged.r",
    triggerRef: "paged.t",
    conditions: [{ field: "n", operator: "greater_than", value: count - 100 }],
  });
  await query(
    database,
    `insert into event (trigger_ref, payload, created)
     select 'paged.t',
            jsonb_build_object('n', n,
                               'exact', case when n % 500 = 0 then 1.50 else 1 end,
                               'long', repeat('x', case when n % 700 = 0 then 100000 else 0 end)),
            now() - interval '1 hour' + n / 3 * interval '1 millisecond'
       from generate_series(1, ${count}) as n`,
  );
});

afterAll(() => opened.disposeAsync());

async function resultOf(reading: "own connection" | "asking"): Promise<BacktestStep | undefined> {
  const { database, url } = fresh;
  const reader = { url, tls: {}, schema: "attune", applicationName: "paged", statementMs: 60_000 };
  const backtests = new Backtests({
    database,
    reader: () => (reading === "asking" ? null : reader),
    clock: systemClock,
  });
  const outcome = await backtests.prepare({
    ref: "paged.r",
    changes: { conditions: [{ field: "n", operator: "greater_than", value: count - 300 }] },
    since: new Date(Date.now() - 7_200_000),
    until: undefined,
    against: "live",
  });
  if (outcome.kind === "invalid") throw new Error(outcome.problem);
  const steps = await Array.fromAsync(outcome.run(new AbortController().signal));
  return steps.at(-1);
}

for (const reading of ["own connection", "asking"] as const) {
  test(`each event of many pages is judged once, in order: ${reading}`, limit, async () => {
    const last = await resultOf(reading);

    expect(last).toMatchObject({
      kind: "result",
      result: {
        counts: { events: count, hits: 300, live_hits: 100, caught: 200, missed: 0, changed: 0 },
        caught: Array.from({ length: 100 }, (_, index) => count - 299 + index),
      },
    });
  });
}

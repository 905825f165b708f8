/** Timers of all kinds through the source, many at once, and while the database is away. */
import { expect, test } from "vitest";
import { timerBench } from "./timer-bench.ts";

/** A size for CI; ATTUNE_TEST_TIMER_RULES=10000 for the soak. */
const ruleCount = Number(process.env["ATTUNE_TEST_TIMER_RULES"] ?? 1_000);

test("a timer for one time and one of a recurrence rule fire when they should, and no more after their last", async () => {
  await using bench = await timerBench();
  const once = await bench.rule("p.once", "core.datetimetimer", { fire_at: bench.at(5).toISOString() });
  const past = await bench.rule("p.past", "core.datetimetimer", { fire_at: bench.at(-60).toISOString() });
  const rrule = await bench.rule("p.rrule", "core.rruletimer", {
    rule: "FREQ=SECONDLY;INTERVAL=4;COUNT=3",
    dtstart: bench.at(2).toISOString(),
  });
  const first = await bench.agent();
  await bench.pass(7);
  await first.stop();
  // Another agent does not begin anew.
  const second = await bench.agent();
  await bench.pass(20);
  await second.stop();

  expect((await bench.fires("p.once")).map(({ slot, count }) => [slot, count])).toEqual([[5, 1]]);
  expect((await bench.fires("p.once"))[0]?.payload).toMatchObject({ type: "datetime", execution_count: 1 });
  expect((await bench.fires("p.rrule")).map(({ slot, count }) => [slot, count])).toEqual([
    [2, 1],
    [6, 2],
    [10, 3],
  ]);
  expect((await bench.fires("p.rrule"))[0]?.payload).toMatchObject({ type: "rrule" });
  expect(await bench.fires("p.past")).toEqual([]);
  expect((await bench.cursor(once))?.counts).toEqual({ fired: 1 });
  expect((await bench.cursor(rrule))?.counts).toEqual({ fired: 3 });
  expect((await bench.cursor(past))?.execution_count ?? "0").toBe("0");
});

// Goal: nobody's minute is left out or doubled, although all come at once.
test(`${ruleCount} rules on one minute fire once each, on time`, { timeout: 120_000 }, async () => {
  await using bench = await timerBench();
  await bench.sql(
    `insert into rule (ref, action_ref, trigger_ref, trigger_params)
     select 'p.r' || n, 'core.noop', 'core.crontimer', '{"expression": "* * * * *"}' from generate_series(1, $1) as n`,
    [ruleCount],
  );
  await bench.sql("update timer_rule set schedule_since = $1", [bench.at(0)]);
  const worker = await bench.agent();
  // Until the minute, and no further while the events are stored.
  await bench.pass(60 - ((bench.at(0).getTime() / 1_000) % 60));
  const events = async (): Promise<unknown> =>
    (await bench.sql("select count(*)::int as count from event"))[0];
  await expect.poll(events, { timeout: 100_000, interval: 100 }).toEqual({ count: ruleCount });
  await worker.stop();

  const fires = await bench.fires();
  expect(new Set(fires.map(({ rule }) => rule)).size).toBe(ruleCount);
  expect(new Set(fires.map(({ slot, fired }) => fired - slot))).toEqual(new Set([0]));
  const [written] = await bench.sql(
    "select count(*)::int as rules, sum(execution_count)::int as fires from timer_cursor",
  );
  expect(written).toEqual({ rules: ruleCount, fires: ruleCount });
});

// Goal: an outage of the database costs no slot that catch_up wants, and doubles none.
// Method: the events of some slots find no room for two minutes of the test's time; then the agent is replaced.
test("while the database is away slots wait their turn, and each ends once", async () => {
  await using bench = await timerBench();
  const ids = new Map<string, string>();
  for (const mode of ["none", "last", "all"])
    ids.set(
      mode,
      await bench.rule(`p.${mode}`, "core.intervaltimer", {
        interval: 10,
        catch_up: mode === "all" ? { mode, spacing: 1 } : mode,
      }),
    );
  const first = await bench.agent();
  await bench.pass(15);
  first.cutOff();
  await bench.pass(120);
  first.reconnect();
  await bench.pass(30);
  await first.stop();
  const second = await bench.agent();
  await bench.pass(20);
  await second.stop();

  for (const [mode, id] of ids) {
    const slots = (await bench.fires(`p.${mode}`)).map(({ slot }) => slot);
    const cursor = await bench.cursor(id);
    const { fired = 0, late = 0, ...skipped } = cursor?.counts ?? {};
    const skippedCount = Object.values(skipped).reduce((sum, count) => sum + count, 0);
    expect({ mode, distinct: new Set(slots).size, settled: fired + late }).toEqual({
      mode,
      distinct: slots.length,
      settled: slots.length,
    });
    expect(fired + late + skippedCount).toBe((Number(cursor?.settled_until) - Number(bench.at(0))) / 10_000);
    expect(Object.keys(skipped)).toEqual(mode === "all" ? [] : ["overlap"]);
  }
});

// Goal: what an operator does against too many events helps while there are too many.
// Method: slots are due five times as often as their events find room; then the rules are disabled.
test("changed rules are read while more slots are due than there is room for", async () => {
  await using bench = await timerBench();
  for (let number = 0; number < 10; number += 1)
    await bench.rule(`p.r${number}`, "core.intervaltimer", { interval: 0.1 });
  const worker = await bench.agent({ roomMs: 50 });
  await bench.pass(5);

  await bench.sql("update rule set enabled = false");
  worker.source.noteRulesChanged();

  const firesOfTwoSeconds = async (): Promise<number> => {
    const before = (await bench.fires()).length;
    await bench.pass(2);
    return (await bench.fires()).length - before;
  };
  await expect.poll(firesOfTwoSeconds, { timeout: 10_000, interval: 20 }).toBe(0);
  await worker.stop();
});

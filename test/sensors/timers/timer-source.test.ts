import { describe, expect, test } from "vitest";
import { timerBench } from "./timer-bench.ts";

const soon = { timeout: 10_000, interval: 20 };

test("a timer fires at its slots, for its rule alone, and says how often it has fired", async () => {
  await using bench = await timerBench();
  const id = await bench.rule("p.ten", "core.intervaltimer", { interval: 10 });
  const worker = await bench.agent();
  await bench.pass(35);
  await worker.stop();

  const fires = await bench.fires();
  expect(fires.map(({ slot, fired, count }) => [slot, fired, count])).toEqual([
    [10, 10, 1],
    [20, 20, 2],
    [30, 30, 3],
  ]);
  expect(fires[0]?.payload).toEqual({
    type: "interval",
    rule_ref: "p.ten",
    scheduled_at: bench.at(10).toISOString(),
    fired_at: bench.at(10).toISOString(),
    late_seconds: 0,
    execution_count: 1,
  });
  const [event] = await bench.sql("select rule_ref, dedup_key, occurred_at from event order by id limit 1");
  expect(event).toMatchObject({ rule_ref: `rule_${id}`, occurred_at: bench.at(10) });
  expect(await bench.cursor(id)).toMatchObject({ execution_count: "3", counts: { fired: 3 }, problem: null });
  expect(bench.late).toEqual([0, 0, 0]);
});

test("a cron timer says when it fires next", async () => {
  await using bench = await timerBench();
  await bench.rule("p.cron", "core.crontimer", { expression: "*/5 * * * * *" });
  const worker = await bench.agent();
  await bench.pass(12);
  await worker.stop();

  const [first] = await bench.fires();
  const next = bench.at((first?.slot ?? 0) + 5).toISOString();
  expect(first?.payload).toMatchObject({ type: "cron", next_fire_at: next });
});

describe("a rule that changes", () => {
  test("in a calendar of the sensor's configuration follows it", async () => {
    await using bench = await timerBench();
    const params = { interval: 10, exclude: ["calendar:free"] };
    const id = await bench.rule("p.working", "core.intervaltimer", params);
    const worker = await bench.agent();
    await bench.pass(15);
    expect(await bench.fires()).toEqual([]);

    await bench.sql(`update sensor set config = '{"calendars": {"free": ["1999-12-31"]}}'`);
    worker.source.noteRulesChanged();
    await bench.pass(20);
    await bench.sql(`update sensor set config = '{"calendars": {"free": ["0001-01-01/9999-12-31"]}}'`);
    worker.source.noteRulesChanged();
    await bench.pass(20);
    await worker.stop();

    const fires = await bench.fires();
    expect(fires.at(-1)?.slot).toBe(30);
    expect(await bench.cursor(id)).toMatchObject({ problem: null });
  });

  test("is disabled and enabled again, while another one goes on", async () => {
    await using bench = await timerBench();
    const skipping = await bench.rule("p.skipping", "core.intervaltimer", { interval: 10 });
    const catching = await bench.rule("p.catching", "core.intervaltimer", {
      interval: 10,
      on_resume: "last",
    });
    const other = await bench.rule("p.other", "core.intervaltimer", { interval: 10 });
    const worker = await bench.agent();
    await bench.pass(15);
    await bench.sql("update rule set enabled = false where ref <> 'p.other'");
    worker.source.noteRulesChanged();
    await bench.pass(30);
    await bench.sql("update rule set enabled = true");
    // The database's clock is not the test's.
    await bench.sql("update timer_rule set pauses = tstzmultirange(tstzrange($1, $2)) where rule <> $3", [
      bench.at(15),
      bench.at(45),
      other,
    ]);
    worker.source.noteRulesChanged();
    await bench.pass(10);
    await worker.stop();

    const slotsOf = async (rule: string): Promise<number[]> =>
      (await bench.fires(rule)).map(({ slot }) => slot);
    expect(await slotsOf("p.other")).toEqual([10, 20, 30, 40, 50]);
    expect(await slotsOf("p.skipping")).toEqual([10, 50]);
    expect(await slotsOf("p.catching")).toEqual([10, 40, 50]);
    expect(await bench.slots(skipping)).toEqual(["fired 10", "skipped paused 20..40 (3)"]);
    expect(await bench.slots(catching)).toEqual(["fired 10", "skipped paused 20..30 (2)", "late 40"]);
  });

  test("in its schedule begins anew, and in its label or settings goes on", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 10, max_fires: 100 });
    const worker = await bench.agent();
    await bench.pass(15);
    const before = await bench.sql("select * from timer_rule");
    await bench.sql("update rule set label = 'Other'");
    await bench.sql(`update rule set trigger_params = '{"interval": 10, "max_fires": 99, "note": "why"}'`);
    expect(await bench.sql("select * from timer_rule")).toEqual(before);
    worker.source.noteRulesChanged();
    await bench.pass(10);

    await bench.sql(`update rule set trigger_params = '{"interval": 7}'`);
    expect(await bench.sql("select schedule_since from timer_rule")).not.toMatchObject([
      { schedule_since: bench.at(0) },
    ]);
    await bench.sql("update timer_rule set schedule_since = $1", [bench.at(25)]);
    worker.source.noteRulesChanged();
    await bench.pass(15);
    await worker.stop();

    expect((await bench.fires()).map(({ slot, count }) => [slot, count])).toEqual([
      [10, 1],
      [20, 2],
      [32, 1],
      [39, 2],
    ]);
    expect(await bench.cursor(id)).toMatchObject({ execution_count: "2", counts: { fired: 2 } });
  });

  test("in its schedule while no agent ran makes up nothing of the old one", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 10, catch_up: "all" });
    const first = await bench.agent();
    await bench.pass(10);
    await first.stop();
    await bench.skip(100);
    await bench.sql(`update rule set trigger_params = '{"interval": 30, "catch_up": "all"}'`);
    await bench.sql("update timer_rule set schedule_since = $1", [bench.at(60)]);
    const second = await bench.agent();
    await bench.pass(12);
    await second.stop();

    expect((await bench.fires()).map(({ slot, fired }) => [slot, fired])).toEqual([
      [10, 10],
      [90, 110],
      [120, 120],
    ]);
    expect((await bench.cursor(id))?.execution_count).toBe("2");
  });

  test("to params that are no schedule is named, and disturbs no other", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.bad", "core.intervaltimer", { interval: -1 });
    await bench.rule("p.list", "core.crontimer", { expression: "61 * * * *" });
    await bench.rule("p.good", "core.intervaltimer", { interval: 5 });
    const worker = await bench.agent();
    await bench.pass(12);
    expect((await bench.fires()).map(({ rule }) => rule)).toEqual(["p.good", "p.good"]);
    expect(bench.warnings).toEqual([
      expect.stringContaining("the timer of rule p.bad does not fire: "),
      expect.stringContaining("the timer of rule p.list does not fire: "),
    ]);
    expect((await bench.cursor(id))?.problem).toContain("interval");

    await bench.sql(`update rule set trigger_params = '{"interval": 3}' where ref = 'p.bad'`);
    await bench.sql("update timer_rule set schedule_since = $2 where rule = $1", [id, bench.at(12)]);
    worker.source.noteRulesChanged();
    await bench.pass(8);
    await worker.stop();
    expect((await bench.fires("p.bad")).map(({ slot }) => slot)).toEqual([15, 18]);
    expect((await bench.cursor(id))?.problem).toBeNull();
  });

  // Goal: a text that the database refuses must not keep the progress of other timers from it.
  // Method: what is quoted of a param is cut within an emoji.
  test("to params with any text keeps no other timer's progress from being written", async () => {
    await using bench = await timerBench();
    const bad = await bench.rule("p.bad", "core.intervaltimer", { interval: `${"x".repeat(55)}😀 and more` });
    const good = await bench.rule("p.good", "core.intervaltimer", { interval: 5 });
    const worker = await bench.agent();
    await bench.pass(12);
    await worker.stop();

    expect((await bench.cursor(bad))?.problem).toContain("interval: must be a number");
    expect((await bench.cursor(good))?.counts).toEqual({ fired: 2 });
  });

  test("and is deleted leaves nothing behind", async () => {
    await using bench = await timerBench();
    await bench.rule("p.r", "core.intervaltimer", { interval: 2 });
    const first = await bench.agent();
    await bench.pass(5);
    await bench.sql("delete from rule");
    first.source.noteRulesChanged();
    await bench.pass(5);
    await first.stop();
    expect((await bench.fires()).length).toBe(2);
    expect(await bench.sql("select * from timer_rule")).toEqual([]);

    const second = await bench.agent();
    await second.stop();
    expect(await bench.sql("select rule from timer_cursor union all select rule from timer_slot")).toEqual(
      [],
    );
  });
});

describe("a worker that takes over", () => {
  // Goal: no slot has two events, and none that has one is recorded as skipped.
  // Method: the first agent writes its progress only until second 20, stores events until second 40, and is killed.
  test("from a killed one knows its fires, although they were not written", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 2, catch_up: "none" });
    const first = await bench.agent();
    await bench.pass(20);
    await expect.poll(async () => await bench.cursor(id), soon).toBeDefined();
    first.loseProgress();
    await bench.pass(20);
    // The last event may still be on its way to the rows.
    await expect.poll(async () => (await bench.fires()).length, soon).toBe(20);
    await first.kill();
    expect(Number((await bench.cursor(id))?.execution_count)).toBeLessThan(11);

    await bench.skip(60);
    const second = await bench.agent();
    await bench.pass(10);
    await second.stop();
    const fires = await bench.fires();
    const slots = fires.map(({ slot }) => slot);
    expect(new Set(slots).size).toBe(slots.length);
    const cursor = await bench.cursor(id);
    const { fired = 0, late = 0 } = cursor?.counts ?? {};
    expect(fired + late).toBe(slots.length);
    expect(cursor?.execution_count).toBe(`${slots.length}`);
    const settled = Object.values(cursor?.counts ?? {}).reduce((sum, count) => sum + count, 0);
    expect(settled).toBe((Number(cursor?.settled_until) - Number(bench.at(0))) / 2_000);
  });

  test("from a killed one knows the fires of a rule that is enabled only later", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 10, max_fires: 3 });
    const first = await bench.agent({ isProgressLost: true });
    await bench.pass(25);
    await expect.poll(async () => (await bench.fires()).length, soon).toBe(2);
    await bench.sql("update rule set enabled = false");
    await first.kill();
    const second = await bench.agent();
    await bench.pass(10);

    await bench.sql("update rule set enabled = true");
    // The database's clock is not the test's.
    await bench.sql("update timer_rule set pauses = tstzmultirange(tstzrange($1, $2))", [
      bench.at(25),
      bench.at(35),
    ]);
    second.source.noteRulesChanged();
    await bench.pass(50);
    await second.stop();

    expect((await bench.fires()).map(({ slot, count }) => [slot, count])).toEqual([
      [10, 1],
      [20, 2],
      [40, 3],
    ]);
    expect((await bench.cursor(id))?.counts).toEqual({ fired: 3, paused: 1 });
  });

  test("and cannot look for the fires of a killed one at first, fires once it has looked", async () => {
    await using bench = await timerBench();
    await bench.rule("p.r", "core.intervaltimer", { interval: 10 });
    const worker = await bench.agent({ failsOnce: "find_duplicate_ranges" });
    await bench.pass(25);
    await worker.stop();

    expect((await bench.fires()).map(({ slot }) => slot)).toEqual([10, 20]);
  });

  // Goal: the fires of a killed agent are found wherever they are, also after many slots that it has skipped.
  test("from one that skipped an outage and was killed before it wrote so", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 1, catch_up: "none" });
    const first = await bench.agent();
    await bench.pass(3);
    await first.stop();
    await bench.skip(100);
    const second = await bench.agent({ isProgressLost: true });
    await bench.pass(5);
    await expect.poll(async () => (await bench.fires()).length, soon).toBeGreaterThan(7);
    await second.kill();
    await bench.skip(100);
    const third = await bench.agent();
    await bench.pass(3);
    await third.stop();

    const slots = (await bench.fires()).map(({ slot }) => slot);
    expect(new Set(slots).size).toBe(slots.length);
    const { fired = 0, late = 0, down = 0, ...others } = (await bench.cursor(id))?.counts ?? {};
    expect(others).toEqual({});
    expect(fired + late).toBe(slots.length);
    expect(fired + late + down).toBe(slots.at(-1));
  });

  // Goal: an event that was on its way when its agent was killed is not stored behind the back of the next one.
  // Method: hold the statements of a killed agent's events until its successor has looked for events.
  test("from a killed one gets no event that arrives after it has looked", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 1, catch_up: "none" });
    const first = await bench.agent({ isProgressLost: true });
    await bench.pass(3);
    await expect.poll(async () => (await bench.fires()).length, soon).toBe(3);
    first.holdEvents();
    await bench.pass(3);
    await first.kill();
    await bench.skip(100);
    const second = await bench.agent();
    await first.releaseEvents();
    await bench.pass(3);
    await second.stop();

    const slots = (await bench.fires()).map(({ slot }) => slot);
    expect(slots).not.toContain(4);
    const { fired = 0, late = 0, down = 0, ...others } = (await bench.cursor(id))?.counts ?? {};
    expect(others).toEqual({});
    expect(fired + late).toBe(slots.length);
    expect(fired + late + down).toBe(slots.at(-1));
  });

  test("makes up what catch_up asks for, and stops at max_fires", async () => {
    await using bench = await timerBench();
    const none = await bench.rule("p.none", "core.intervaltimer", { interval: 100, catch_up: "none" });
    const last = await bench.rule("p.last", "core.intervaltimer", { interval: 100, catch_up: "last" });
    const all = await bench.rule("p.all", "core.intervaltimer", {
      interval: 100,
      catch_up: { mode: "all", spacing: 2 },
    });
    const five = await bench.rule("p.five", "core.intervaltimer", { interval: 10, max_fires: 5 });
    const first = await bench.agent();
    await bench.pass(45);
    await first.stop();
    await bench.skip(440);
    const second = await bench.agent();
    await bench.pass(10);
    await second.stop();

    expect(await bench.slots(none)).toEqual(["skipped down 100..400 (4)"]);
    expect(await bench.slots(last)).toEqual(["skipped down 100..300 (3)", "late 400"]);
    expect(await bench.slots(all)).toEqual(["late 100", "late 200", "late 300", "late 400"]);
    expect((await bench.fires("p.all")).map(({ slot, fired }) => [slot, fired])).toEqual([
      [100, 485],
      [200, 487],
      [300, 489],
      [400, 491],
    ]);
    expect((await bench.fires("p.five")).map(({ count }) => count)).toEqual([1, 2, 3, 4, 5]);
    expect((await bench.cursor(five))?.execution_count).toBe("5");
    expect(bench.log.join("\n")).toContain("skipped 4 slots of p.none");
  });

  test("does not count refused events as fires, also if the last one is refused", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 10, max_fires: 2 });
    const worker = await bench.agent({ refusedSlots: [20] });
    await bench.pass(55);
    await worker.stop();

    expect((await bench.fires()).map(({ slot, count }) => [slot, count])).toEqual([
      [10, 1],
      [30, 2],
    ]);
    expect((await bench.cursor(id))?.counts).toEqual({ fired: 2, refused: 1 });
  });

  test("is the only one that fires and writes, although the former still runs", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.r", "core.intervaltimer", { interval: 5 });
    const first = await bench.agent();
    await bench.pass(12);
    const second = await bench.agent();
    await bench.pass(12);
    await first.stop();
    await bench.pass(2);
    await second.stop();
    const slots = (await bench.fires()).map(({ slot }) => slot);
    expect(slots).toEqual([5, 10, 15, 20, 25]);
    expect(await bench.cursor(id)).toMatchObject({ execution_count: "5", counts: { fired: 5 } });
  });
});

describe("the clock", () => {
  test("set forward by an hour skips the slots between, for that reason", async () => {
    await using bench = await timerBench();
    const none = await bench.rule("p.none", "core.intervaltimer", { interval: 60, catch_up: "none" });
    const last = await bench.rule("p.last", "core.intervaltimer", { interval: 60, catch_up: "last" });
    const worker = await bench.agent();
    await bench.pass(65);
    bench.setClock(3_600 + 30);
    await bench.pass(3);
    await worker.stop();
    expect(await bench.slots(none)).toEqual(["fired 60", "skipped clock 120..3600 (59)", "late 3660"]);
    expect(await bench.slots(last)).toEqual(["fired 60", "skipped clock 120..3600 (59)", "late 3660"]);
    expect(bench.skipped).toEqual({ clock: 118 });
    expect(bench.lines.map(({ message }) => message)).toContain("the clock was set forward by 3630 s");
  });

  test("set back by an hour repeats no slot of a slow timer, and does not silence a fast one", async () => {
    await using bench = await timerBench();
    await bench.rule("p.slow", "core.intervaltimer", { interval: 4_000 });
    const fast = await bench.rule("p.fast", "core.intervaltimer", { interval: 60 });
    const worker = await bench.agent();
    await bench.pass(10);
    bench.setClock(4_000);
    await bench.pass(130);
    bench.setClock(-3_600);
    await bench.pass(200);
    await worker.stop();

    expect((await bench.fires("p.slow")).map(({ slot }) => slot)).toEqual([4_000]);
    const fires = await bench.fires("p.fast");
    // The clock then showed 540 to 740 s.
    expect(fires.filter(({ fired }) => fired > 500 && fired < 800)).toHaveLength(3);
    expect((await bench.cursor(fast))?.execution_count).toBe(`${fires.length}`);
  });

  test("behind the database's by an hour does not silence a new timer", async () => {
    await using bench = await timerBench();
    const id = await bench.rule("p.new", "core.intervaltimer", { interval: 60 });
    bench.setClock(-3_600);
    const worker = await bench.agent();
    await bench.pass(200);
    await worker.stop();

    expect(await bench.fires("p.new")).toHaveLength(3);
    expect(await bench.cursor(id)).toMatchObject({ execution_count: "3", counts: { fired: 3 } });
  });
});

/**
 * A client of a third party: a sensor in Perl, written from docs/sensor-protocol.md alone. Under a real agent it follows its
 * rules one by one, and no tick of a rule is lost or doubled.
 */
import { expect, test } from "vitest";
import { isRunning } from "../../scripts/services/is-running.ts";
import { query } from "../support/platform-rows.ts";
import { nativeTicker, soon } from "./native-ticker.ts";

test("follows its rules, and is killed, refused and stopped without losing or doubling a tick", async () => {
  await using ticker = await nativeTicker({ config: { foreign_trigger: "native.foreign" } });
  const { database } = ticker;
  const started = await ticker.process();

  // Two rules, two streams.
  await ticker.addRule("native.fast", 0.2);
  await ticker.more("native.slow");
  await ticker.more("native.fast", 3);
  expect(await ticker.intervals("native.slow")).toEqual([0.6]);
  expect(await ticker.intervals("native.fast")).toEqual([0.2]);

  // A trigger that is not the sensor's is refused.
  expect(await ticker.log()).toContain("an event of native.foreign was answered 403");
  expect(await query(database, "select 1 from event where trigger_ref = 'native.foreign'")).toEqual([]);

  // New params.
  await query(database, `update rule set trigger_params = '{"seconds": 0.3}' where ref = 'native.fast'`);
  await expect.poll(() => ticker.intervals("native.fast"), soon).toEqual([0.2, 0.3]);

  // One is disabled; the other goes on.
  await query(database, "update rule set enabled = false where ref = 'native.fast'");
  await expect.poll(() => ticker.log(), soon).toContain("rule native.fast: off");
  const silent = await ticker.ticks("native.fast");
  await ticker.more("native.slow", 3);
  expect(await ticker.ticks("native.fast")).toEqual(silent);

  // Enabled again, it continues where it was.
  await query(database, "update rule set enabled = true where ref = 'native.fast'");
  await ticker.more("native.fast");

  // Deleted.
  const addedId = await ticker.addRule("native.added", 0.2);
  await ticker.more("native.added");
  await query(database, "delete from rule where ref = 'native.added'");
  await expect.poll(() => ticker.log(), soon).toContain("rule native.added: off");
  const deleted = await ticker.ticksOf(addedId);
  await ticker.more("native.slow");
  expect(await ticker.ticksOf(addedId)).toEqual(deleted);

  // All of that in one process.
  expect(await ticker.process()).toEqual(started);

  // Killed: back, and continuing from its checkpoint.
  process.kill(started.pid, "SIGKILL");
  await expect.poll(async () => (await ticker.process()).pid, soon).not.toBe(started.pid);
  const restarted = await ticker.process();
  expect(restarted.failures).toBe(1);
  await ticker.more("native.slow", 2);
  await ticker.more("native.fast", 2);

  // Without rules it is told to stop, which is no failure.
  await query(database, "update rule set enabled = false");
  await expect.poll(() => ticker.status(), soon).toBe("stopped");
  expect(isRunning(restarted.pid)).toBe(false);
  expect(await ticker.log()).toMatch(/stopped\s*$/);
  for (const ref of ["native.slow", "native.fast"]) {
    const counts = (await ticker.ticks(ref)).map(({ count }) => count);
    expect(counts).toEqual(counts.map((_, index) => index + 1));
  }
  // Each tick is for its own rule alone.
  expect(
    await query(
      database,
      `select event.id from event left join enforcement on enforcement.event = event.id
         left join rule on rule.ref = enforcement.rule_ref
        where event.trigger_ref = 'native.tick' and (event.payload->>'rule')::bigint <> $1
        group by event.id
       having count(*) <> 1 or bool_or(rule.id is distinct from (event.payload->>'rule')::bigint)`,
      [addedId],
    ),
  ).toEqual([]);
});

test("asks for its rules instead, and is not restarted when they change", async () => {
  await using ticker = await nativeTicker({ config: { ask_seconds: 0.3 } });
  const { database } = ticker;
  const started = await ticker.process();
  await ticker.more("native.slow");

  await ticker.addRule("native.fast", 0.2);
  await ticker.more("native.fast");
  await query(database, "delete from rule where ref = 'native.fast'");
  await expect.poll(() => ticker.log(), soon).toContain("rule native.fast: off");
  await query(database, `update rule set trigger_params = '{"seconds": 0.4}' where ref = 'native.slow'`);
  await expect.poll(() => ticker.intervals("native.slow"), soon).toEqual([0.6, 0.4]);

  expect(await ticker.process()).toEqual(started);
});

test(
  "goes on beyond the end of its first token, with the one in the state file",
  { timeout: 240_000 },
  async () => {
    // The shortest allowed.
    await using ticker = await nativeTicker({ settings: { token_ttl: 75 } });
    const started = await ticker.process();
    await ticker.more("native.slow");

    await expect.poll(() => ticker.log(), { ...soon, timeout: 150_000 }).toContain("code 4401");
    await ticker.more("native.slow");
    await ticker.addRule("native.fast", 0.2);
    await ticker.more("native.fast");

    expect(await ticker.process()).toEqual(started);
    expect(await ticker.log()).not.toContain("answered 401");
  },
);

import { afterEach, beforeEach, expect, test } from "vitest";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { openRig, type PipelineRig } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

test("an event of an unknown or disabled trigger is refused with the reason; a trigger made a moment ago is found", async () => {
  await using running = await rig.start();

  expect(await running.pipeline.accept(rig.tick({ triggerRef: "demo.new" }))).toEqual({
    kind: "refused",
    reason: "trigger demo.new does not exist",
  });
  await insertTrigger(rig.database, "demo.new");
  expect((await running.pipeline.accept(rig.tick({ triggerRef: "demo.new" }))).kind).toBe("stored");
  await query(rig.database, "update trigger set enabled = false where ref = 'demo.new'");
  expect(await running.pipeline.accept(rig.tick({ triggerRef: "demo.new" }))).toEqual({
    kind: "refused",
    reason: "trigger demo.new is disabled",
  });
});

test("an event is never matched against a rule that was changed before it was stored", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await rig.start();
  await running.pipeline.accept(rig.tick());

  await query(rig.database, "update rule set enabled = false");
  await running.pipeline.accept(rig.tick());
  await query(rig.database, "update rule set enabled = true");
  await running.pipeline.accept(rig.tick());

  expect(await rig.countOf("event")).toBe(3);
  expect(await rig.countOf("enforcement")).toBe(2);
});

// Goal: while rules flip under load, no enforcement contradicts the order of commits.
// Method: each flip writes, in its own transaction, the clock's time; an enforcement of an event stored
// in a transaction that began after a "disabled" commit and before the next "enabled" one is a contradiction.
test("a rule changed while its events are in flight fires only for events committed before the change", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await query(
    rig.database,
    "create table flip (enabled boolean, event_count bigint, enforcement_count bigint)",
  );
  await using running = await rig.start();
  const flood = new AbortController();
  const sending = (async () => {
    while (!flood.signal.aborted) {
      await Promise.all(Array.from({ length: 25 }, () => running.pipeline.accept(rig.tick())));
    }
  })();

  for (let n = 0; n < 20; n += 1) {
    for (const isEnabled of [false, true]) {
      await query(rig.database, "update rule set enabled = $1", [isEnabled]);
      // After the change's commit every stored event was judged by the new state: counts move together or not at all.
      const [before] = await query<Counts>(rig.database, counts);
      await expect
        .poll(async () => (await query<Counts>(rig.database, counts))[0]?.events, { timeout: 20_000 })
        .not.toBe(before?.events);
      const [after] = await query<Counts>(rig.database, counts);
      const events = Number(after?.events) - Number(before?.events);
      const enforcements = Number(after?.enforcements) - Number(before?.enforcements);
      expect(enforcements).toBe(isEnabled ? events : 0);
    }
  }
  flood.abort();
  await sending;
});

interface Counts {
  readonly events: string;
  readonly enforcements: string;
}

const counts =
  "select (select count(*) from event) as events, (select count(*) from enforcement) as enforcements";

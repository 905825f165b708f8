import { afterEach, beforeEach, expect, test } from "vitest";
import type { Query, Queryable } from "../../src/database/database.ts";
import { ConnectionError } from "../../src/database/errors.ts";
import type { RuleSet } from "../../src/model/rules/rule-match.ts";
import { matchEverything } from "../support/match-everything.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { losingAnswers, openRig, type PipelineRig, type RunningPipeline } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

/** Every message that is owed or was handed over from memory, by who sends it. */
async function messageIds(running: Pick<RunningPipeline, "sent" | "left">): Promise<{
  readonly owed: ReadonlySet<string>;
  readonly sent: ReadonlySet<string>;
  readonly left: ReadonlySet<string>;
}> {
  const rows = await query<{ message_id: string }>(
    rig.database,
    "select message_id from outbox where body is null",
  );
  return {
    owed: new Set(rows.map((row) => row.message_id)),
    sent: new Set(running.sent.map(({ messageId }) => messageId)),
    left: running.left,
  };
}

test.each(["before", "after"] as const)(
  "an answer lost %s the commit neither loses nor doubles, and every message has one sender",
  async (when) => {
    await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
    const database = losingAnswers(rig.database, "store_batch", [when, when]);
    await using running = await rig.start({ database });

    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, n) => running.pipeline.accept(rig.tick({ payload: { n } }))),
    );

    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(["stored"]));
    expect(await rig.countOf("event")).toBe(10);
    expect(await rig.countOf("enforcement")).toBe(10);
    const { owed, sent, left } = await messageIds(running);
    expect(owed.size).toBe(20);
    expect(sent.union(left)).toEqual(owed);
    expect(sent.intersection(left).size).toBe(0);
  },
);

test("an answer lost with a duplicate in the batch does not move the checkpoint back", async () => {
  {
    await using before = await rig.start();
    await before.pipeline.accept(rig.tick({ dedupKey: "known" }));
  }
  await using running = await rig.start({ database: losingAnswers(rig.database, "store_batch", ["after"]) });

  const outcomes = await Promise.all([
    running.pipeline.accept(rig.tick({ dedupKey: "known", checkpoint: 1 })),
    running.pipeline.accept(rig.tick({ checkpoint: 2 })),
  ]);

  expect(outcomes.map(({ kind }) => kind)).toEqual(["duplicate", "stored"]);
  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: 2 }]);
});

// Goal: an abandoned statement does not move a checkpoint back if the network delivers it late.
// Method: the first batch's statement is lost on the way, and carried out again after a later batch.
test("a statement that arrives after later ones moves no checkpoint back", async () => {
  const late: Query[] = [];
  const database: Queryable = {
    async query(statement) {
      if (statement.name?.startsWith("store_batch") !== true || late.length > 0)
        return rig.database.query(statement);
      late.push(statement);
      throw new ConnectionError("cut", "unknown");
    },
  };
  await using running = await rig.start({ database });
  await running.pipeline.accept(rig.tick({ checkpoint: 1 }));
  await running.pipeline.accept(rig.tick({ checkpoint: 2 }));

  for (const statement of late) {
    await expect(rig.database.query(statement)).rejects.toMatchObject({
      constraint: expect.stringMatching(/^(?:event_from_1|outbox)_pkey$/),
    });
  }

  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: 2 }]);
  expect(await rig.countOf("event")).toBe(2);
});

// Goal: a commit that comes about after it was looked for is still recognised.
// Method: the first statement is carried out between the look and its repetition.
test("an attempt that is committed after it was looked for is stored once", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  const late: Query[] = [];
  let isLost = false;
  const database: Queryable = {
    async query(statement) {
      if (statement.name?.startsWith("store_batch") === true && !isLost) {
        isLost = true;
        late.push(statement);
        throw new ConnectionError("cut", "unknown");
      }
      const result = await rig.database.query(statement);
      if (statement.name === "find_events") for (const each of late.splice(0)) await rig.database.query(each);
      return result;
    },
  };
  await using running = await rig.start({ database });

  const outcomes = await Promise.all(
    [1, 2].map((n) => running.pipeline.accept(rig.tick({ payload: { n } }))),
  );

  expect(outcomes.map(({ kind }) => kind)).toEqual(["stored", "stored"]);
  expect(await rig.countOf("event")).toBe(2);
  expect(await rig.countOf("enforcement")).toBe(2);
  const { owed, sent, left } = await messageIds(running);
  expect(owed.size).toBe(4);
  expect(sent.size).toBe(0);
  expect(left).toEqual(owed);
});

// Goal: an event that is stored is never reported as refused.
// Method: the first statement is carried out between the look for the event and its refusal, since its trigger is disabled.
test("an event that cannot be stored any more is stored if an earlier attempt turns out to have stored it", async () => {
  const rules = await matchEverything(rig.database);
  const late: Query[] = [];
  let isDisabled = false;
  const current = (): RuleSet => {
    const set = rules.current();
    const enabled = set.trigger("demo.tick");
    return { ...set, trigger: () => enabled && { ...enabled, enabled: !isDisabled } };
  };
  const database: Queryable = {
    async query(statement) {
      if (statement.name?.startsWith("store_batch") !== true) return await rig.database.query(statement);
      isDisabled = true;
      late.push(statement);
      throw new ConnectionError("cut", "unknown");
    },
  };
  const refresh = async (): Promise<RuleSet> => {
    for (const statement of late.splice(0)) await rig.database.query(statement);
    return current();
  };
  await using running = await rig.start({ database, rules: { current, refresh } });

  const outcome = await running.pipeline.accept(rig.tick());

  expect(outcome.kind).toBe("stored");
  expect(await rig.countOf("event")).toBe(1);
  const { owed, sent, left } = await messageIds(running);
  expect(sent.union(left)).toEqual(owed);
});

// Goal: a submitter that was told that its event will not be stored finds nothing of it, not even its checkpoint.
test("what is withdrawn while its disabled trigger is read again is not refused as well", async () => {
  const rules = await matchEverything(rig.database);
  const read = Promise.withResolvers<void>();
  const current = (): RuleSet => ({ ...rules.current(), trigger: () => undefined });
  const isReading = Promise.withResolvers<void>();
  const refresh = async (): Promise<RuleSet> => {
    isReading.resolve();
    await read.promise;
    return current();
  };
  await using running = await rig.start({ rules: { current, refresh } });
  const withdrawn = running.pipeline.submit(rig.tick({ checkpoint: 1 }));
  let outcome: unknown;
  void withdrawn.outcome.then((settled) => (outcome = settled));
  await isReading.promise;

  const isTakenBack = withdrawn.withdraw();
  read.resolve();
  const next = await running.pipeline.accept(rig.tick());

  expect([isTakenBack, outcome, next.kind]).toEqual([true, undefined, "refused"]);
  expect(await rig.countOf("sensor_checkpoint")).toBe(0);
  expect(await running.metrics.text()).toMatch(/^attune_sensor_agent_events_refused_total 1$/m);
});

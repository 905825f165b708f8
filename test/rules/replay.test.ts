/** Replays of stored events against a real PostgreSQL. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { messageId, type Id } from "../../src/model/identifiers.ts";
import type { ReplayRequest, ReplayStep } from "../../src/model/rules/replay-request.ts";
import { Replay } from "../../src/rules/replay.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

const installationId = "0b5ab3f2-6f7c-4c42-9a53-64b0e0f20c11";

const everything: ReplayRequest = {
  events: { kind: "range", since: new Date(0), until: new Date("2100-01-01"), triggerRef: null },
  rule: null,
  isDry: false,
  isForced: false,
  rateMax: 1_000,
};

test("a replay stores what today's rules demand of events from before them, once, marked in rows", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { hot, cold } = await garden(database);
  const replay = await openReplay(database);

  const first = await stepsOf(replay, everything);
  const again = await stepsOf(replay, everything);

  expect(first.map(({ kind, eventId }) => [kind, eventId])).toEqual([
    ["stored", hot],
    ["complete", cold],
  ]);
  expect(again.map(({ kind }) => kind)).toEqual(["complete", "complete"]);
  const enforcements = await query<{ id: Id }>(database, "select * from enforcement");
  expect(enforcements).toMatchObject([
    { event: hot, rule_ref: "garden.hot", replayed_from: hot, config: { was: 31, event: Number(hot) } },
  ]);
  const [enforcement] = enforcements;
  expect(await query(database, "select message_id, routing_key, enforcement from outbox")).toEqual([
    {
      message_id: messageId(installationId, "enforcement", enforcement?.id ?? ""),
      routing_key: "enforcement.created",
      enforcement: enforcement?.id,
    },
  ]);
});

// Goal: however many replays run at once, and wherever one dies, each rule and event gets one enforcement.
// Method: three replays of 60 events run side by side; one of them ends with a failure in the middle, another is aborted;
// then one more completes what is left.
test("replays that run side by side, die or stop leave exactly one enforcement per rule and event", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "garden.read");
  await insertRule(database, { ref: "garden.one", triggerRef: "garden.read" });
  await insertRule(database, { ref: "garden.two", triggerRef: "garden.read" });
  await query(
    database,
    `insert into event (trigger_ref, payload) select 'garden.read', '{}' from generate_series(1, 60)`,
  );
  let left = 20;
  const dying = await openReplay(database, {
    query: (asked) => database.query(asked),
    transaction: async (work) => {
      left -= 1;
      if (left < 0) throw new Error("killed");
      return await database.transaction(async (transaction) => {
        const result = await work(transaction);
        if (left === 0) throw new Error("killed before the commit");
        return result;
      });
    },
  });
  const stopping = new AbortController();

  const ends = await Promise.allSettled([
    stepsOf(dying, everything),
    stepsOf(await openReplay(database), everything, () => stopping.abort(), stopping),
    stepsOf(await openReplay(database), { ...everything, rule: "garden.two" }),
  ]);
  await stepsOf(await openReplay(database), everything);

  expect(ends[0]).toMatchObject({ status: "rejected" });
  expect(
    await query(
      database,
      `select count(*)::int as all, count(distinct (event, rule))::int as distinct,
              (select count(*)::int from outbox where enforcement is not null) as owed
         from enforcement`,
    ),
  ).toEqual([{ all: 120, distinct: 120, owed: 120 }]);
});

test("a dry replay says what is missing and stores nothing", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { hot, cold } = await garden(database);

  const steps = await stepsOf(await openReplay(database), { ...everything, isDry: true });

  expect(steps).toEqual([
    { kind: "missing", eventId: hot, ruleRefs: ["garden.hot"] },
    { kind: "complete", eventId: cold },
  ]);
  expect(await query(database, "select from enforcement")).toEqual([]);
});

test("a forced replay stores a copy of the event, with enforcements of its own that name the copy", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { hot } = await garden(database);
  const replay = await openReplay(database);
  const forced: ReplayRequest = { ...everything, events: { kind: "ids", ids: [hot] }, isForced: true };

  const [first] = await stepsOf(replay, forced);
  const [second] = await stepsOf(replay, forced);

  const copies = [first, second].map((step) => (step?.kind === "stored" ? step.copyId : null));
  expect(
    await query(
      database,
      `select id, trigger_ref, payload, source_ref, config, dedup_key, replayed_from
         from event where replayed_from is not null order by id`,
    ),
  ).toEqual(
    copies.map((id) => ({
      id,
      trigger_ref: "garden.read",
      payload: { celsius: 31 },
      source_ref: "garden.probe",
      config: { trigger: { ref: "garden.read" } },
      dedup_key: null,
      replayed_from: hot,
    })),
  );
  expect(
    await query(database, "select event, replayed_from, config from enforcement order by event"),
  ).toEqual(copies.map((id) => ({ event: id, replayed_from: hot, config: { was: 31, event: Number(id) } })));
  expect(await query(database, "select routing_key from outbox order by routing_key")).toEqual([
    { routing_key: "enforcement.created" },
    { routing_key: "enforcement.created" },
    { routing_key: "event.created" },
    { routing_key: "event.created" },
  ]);
  // Copies are not replayed again with their time.
  expect(await stepsOf(replay, { ...everything, isDry: true, isForced: true })).toHaveLength(2);
});

test("a forced replay for one rule is aimed at it, and leaves out events that the rule does not match", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await garden(database);
  await insertRule(database, { ref: "garden.all", triggerRef: "garden.read" });

  const steps = await stepsOf(await openReplay(database), {
    ...everything,
    isForced: true,
    rule: "garden.hot",
  });

  expect(steps.map(({ kind }) => kind)).toEqual(["stored", "complete"]);
  expect(await query(database, "select rule_ref from event where replayed_from is not null")).toEqual([
    { rule_ref: "garden.hot" },
  ]);
  expect(await query(database, "select rule_ref from enforcement")).toEqual([{ rule_ref: "garden.hot" }]);
});

test("a replay for one rule reads only events of its trigger, and skips another that is named", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { hot } = await garden(database);
  await insertTrigger(database, "garden.watered");
  const [watered = { id: "" }] = await query<{ id: Id }>(
    database,
    `insert into event (trigger_ref, payload) values ('garden.watered', '{"celsius": 31}') returning id`,
  );
  const replay = await openReplay(database);
  const rule = "garden.hot";

  const read = await stepsOf(replay, { ...everything, rule, isDry: true });
  expect(read.map(({ eventId }) => eventId)).not.toContain(watered.id);
  expect(read).toHaveLength(2);
  const named: ReplayRequest = { ...everything, events: { kind: "ids", ids: [watered.id, hot] }, rule };
  expect(await stepsOf(replay, { ...named, isDry: true })).toEqual([
    {
      kind: "skipped",
      eventId: watered.id,
      reason:
        "garden.hot is a rule for the trigger garden.read, and the event has the trigger garden.watered",
    },
    { kind: "missing", eventId: hot, ruleRefs: ["garden.hot"] },
  ]);
});

test("an event whose trigger is disabled is skipped, and says so", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { hot } = await garden(database);
  await query(database, "update trigger set enabled = false where ref = 'garden.read'");

  const steps = await stepsOf(await openReplay(database), {
    ...everything,
    events: { kind: "ids", ids: [hot] },
  });

  expect(steps).toEqual([{ kind: "skipped", eventId: hot, reason: "the trigger garden.read is disabled" }]);
});

test("a replay stores by the rules of the moment of storing", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const { hot } = await garden(database);
  let isChanged = false;
  const replay = await openReplay(database, {
    query: (asked) => database.query(asked),
    transaction: async (work) => {
      if (!isChanged) {
        isChanged = true;
        await query(database, "update rule set enabled = false where ref = 'garden.hot'");
      }
      return await database.transaction(work);
    },
  });

  expect(await stepsOf(replay, { ...everything, events: { kind: "ids", ids: [hot] } })).toEqual([
    { kind: "complete", eventId: hot },
  ]);
  expect(await query(database, "select from enforcement")).toEqual([]);
});

// Method: a clock that only counts; 50 events are stored at once for it, so all its time is waiting.
test("a replay stores no faster than its rate", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "garden.read");
  await insertRule(database, { ref: "garden.one", triggerRef: "garden.read" });
  await query(
    database,
    "insert into event (trigger_ref, payload) select 'garden.read', '{}' from generate_series(1, 50)",
  );
  let nowMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep: async (ms) => void (nowMs += ms),
  };

  await stepsOf(await openReplay(database, database, clock), { ...everything, rateMax: 10 });

  expect(nowMs).toBeCloseTo(5_000, 0);
});

test("a replay of a rule or trigger that can match nothing is refused, rather than finding nothing missing", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await garden(database);
  await insertTrigger(database, "garden.watered");
  const offId = await insertRule(database, { ref: "garden.off", triggerRef: "garden.read", enabled: false });
  const replay = await openReplay(database);
  const since = { kind: "range", since: new Date(0), until: new Date("2100-01-01") } as const;
  const problem = async (triggerRef: string | null, rule: string | null) =>
    await replay.problemOf({ ...everything, events: { ...since, triggerRef }, rule });

  expect(await problem(null, "garden.hott")).toEqual({
    parameter: "rule",
    problem: "garden.hott does not exist; did you mean garden.hot?",
  });
  // Longer than any ref, so that it is compared with none.
  const long = "garden.".padEnd(400, "hot");
  expect(await problem(null, long)).toEqual({ parameter: "rule", problem: `${long} does not exist` });
  expect(await problem(null, "123456789012345678901234567890")).toMatchObject({ parameter: "rule" });
  expect(await problem("garden.rad", null)).toEqual({
    parameter: "trigger_ref",
    problem: "garden.rad does not exist; did you mean garden.read?",
  });
  expect(await problem(null, offId)).toMatchObject({
    problem: expect.stringContaining("garden.off is disabled"),
  });
  expect(await problem("garden.watered", "garden.hot")).toEqual({
    parameter: "rule",
    problem: "garden.hot is not on the trigger garden.watered but on garden.read",
  });
  expect(await problem("garden.read", "garden.hot")).toBeUndefined();
  expect(await problem(null, null)).toBeUndefined();
});

/** A hot and a cold event, and a rule for hot ones created after them. */
async function garden(database: Database): Promise<{ readonly hot: Id; readonly cold: Id }> {
  await insertTrigger(database, "garden.read");
  const [hot = { id: "" }, cold = { id: "" }] = await query<{ id: Id }>(
    database,
    `insert into event (trigger_ref, payload, source_ref, config, dedup_key, created)
     values ('garden.read', '{"celsius": 31}', 'garden.probe', '{"trigger": {"ref": "garden.read"}}', 'k1', now() - interval '2 minutes'),
            ('garden.read', '{"celsius": 5}', 'garden.probe', '{}', null, now() - interval '1 minute')
     returning id`,
  );
  await insertRule(database, {
    ref: "garden.hot",
    triggerRef: "garden.read",
    conditions: [{ field: "celsius", operator: "greater_than", value: 30 }],
    actionParams: { was: "{{ celsius }}", event: "{{ event.id }}" },
  });
  await query(database, "delete from outbox");
  return { hot: hot.id, cold: cold.id };
}

async function openReplay(
  database: Database,
  through: Pick<Database, "query" | "transaction"> = database,
  clock: Clock = systemClock,
): Promise<Replay> {
  const rules = await openRuleSource({
    database,
    intervalMs: 1_000,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  const outlet = { instance: randomUUID(), send: () => {} };
  return new Replay({ database: through, rules, installationId, outlet, clock });
}

async function stepsOf(
  replay: Replay,
  request: ReplayRequest,
  onStep: (step: ReplayStep) => void = () => {},
  stopping = new AbortController(),
): Promise<readonly ReplayStep[]> {
  const steps: ReplayStep[] = [];
  for await (const step of replay.run(request, stopping.signal)) {
    steps.push(step);
    onStep(step);
  }
  return steps;
}

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { messageId, type Id } from "../../src/model/identifiers.ts";
import { InvalidRuleError, RuleMatcher } from "../../src/rules/rule-matcher.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { ruleText } from "../model/rules/generated-rules.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

const installationId = "0b5ab3f2-6f7c-4c42-9a53-64b0e0f20c11";

test("matching a stored event stores the enforcements it lacks and owes their messages, once", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const matching = await insertRule(database, {
    ref: "r.matching",
    triggerRef: "t.one",
    conditions: { any: [{ field: "branch", operator: "equals", value: "main" }] },
    actionParams: { text: "pushed to {{ event.payload.branch }}", event: "{{ event.id }}" },
  });
  await insertRule(database, {
    ref: "r.other",
    triggerRef: "t.one",
    conditions: [{ field: "branch", operator: "equals", value: "dev" }],
  });
  const event = await insertEvent(database, { branch: "main" });
  await query(database, "delete from outbox");
  const outlet = recordingOutlet();
  const matcher = await openMatcher(database, outlet);

  const [first, again] = await Promise.all([matcher.matchEvent(event), matcher.matchEvent(event)]);

  expect(first).toHaveLength(1);
  expect(again).toEqual(first);
  expect(await query(database, "select * from enforcement")).toMatchObject([
    {
      id: first?.[0],
      rule: matching,
      rule_ref: "r.matching",
      trigger_ref: "t.one",
      event,
      status: "created",
      payload: { branch: "main" },
      condition: "any",
      conditions: [{ field: "branch", operator: "equals", value: "main" }],
      config: { text: "pushed to main", event: Number(event) },
    },
  ]);
  const owed = messageId(installationId, "enforcement", first?.[0] ?? "");
  expect(
    await query(database, "select message_id, routing_key, event, enforcement, instance from outbox"),
  ).toEqual([
    {
      message_id: owed,
      routing_key: "enforcement.created",
      event: null,
      enforcement: first?.[0],
      instance: outlet.instance,
    },
  ]);
  expect(outlet.left).toEqual([owed]);
});

test("matches by the rules as they are when it stores, not as they were when it matched", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const rule = await insertRule(database, { ref: "r.one", triggerRef: "t.one" });
  const event = await insertEvent(database, {});
  const rules = await openRules(database);
  let isChanged = false;
  const matcher = new RuleMatcher({
    database: {
      query: (asked) => database.query(asked),
      async transaction(work) {
        if (!isChanged) {
          isChanged = true;
          await query(database, "update rule set enabled = false where id = $1", [rule]);
        }
        return await database.transaction(work);
      },
    },
    rules,
    installationId,
    outlet: recordingOutlet(),
  });

  expect(await matcher.matchEvent(event)).toEqual([]);
  expect(await query(database, "select from enforcement")).toEqual([]);
});

test("an event that was aimed at one rule is matched again with that one only", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  await insertRule(database, { ref: "r.one", triggerRef: "t.one" });
  const aimedAt = await insertRule(database, { ref: "r.two", triggerRef: "t.one" });
  const event = await insertEvent(database, {}, "r.two");

  const ids = await (await openMatcher(database)).matchEvent(event);

  expect(await query(database, "select id, rule from enforcement")).toEqual([
    { id: ids?.[0], rule: aimedAt },
  ]);
});

test("an event whose trigger is gone with its rules has no enforcements to lack", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const event = await insertEvent(database, { branch: "main" });
  await query(database, "delete from trigger where ref = 't.one'");
  const matcher = await openMatcher(database);

  expect(await matcher.matchEvent(event)).toEqual([]);
});

test("an unknown event has no enforcements to speak of", async () => {
  await using fresh = await freshDatabase();
  const matcher = await openMatcher(fresh.database);

  expect(await matcher.matchEvent("404")).toBeUndefined();
  expect(await matcher.createEnforcement(ruleText({}), "404")).toBeUndefined();
});

test("creates an enforcement of one rule whatever its conditions say, once", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const event = await insertEvent(database, { n: 1 });
  const rule = ruleText({
    id: "77",
    conditions: [{ field: "n", operator: "equals", value: 2 }],
    actionParams: { n: "{{ event.payload.n }}" },
  });
  const matcher = await openMatcher(database);

  const id = await matcher.createEnforcement(rule, event);

  expect(await matcher.createEnforcement(rule, event)).toBe(id);
  expect(await query(database, "select id, rule, config from enforcement")).toEqual([
    { id, rule: "77", config: { n: 1 } },
  ]);
});

test("evaluates conditions without storing anything, and reports problems of unusable ones", async () => {
  await using fresh = await freshDatabase();
  const matcher = await openMatcher(fresh.database);
  const condition = { field: "payload.branch", operator: "equals", value: "main" };

  expect(matcher.evaluateCondition(condition, { branch: "main" })).toBe(true);
  expect(matcher.evaluateCondition(condition, { branch: "dev" })).toBe(false);
  expect(
    matcher.evaluateRuleConditions({ conditions: { not: condition } }, { payload: { branch: "dev" } }),
  ).toBe(true);
  expect(() => matcher.evaluateCondition({ field: "branch" }, {})).toThrow(
    new InvalidRuleError("conditions.operator: is missing"),
  );
});

async function openMatcher(database: Database, outlet = recordingOutlet()): Promise<RuleMatcher> {
  return new RuleMatcher({ database, rules: await openRules(database), installationId, outlet });
}

function recordingOutlet() {
  const left: string[] = [];
  return {
    instance: randomUUID(),
    left,
    leave: (messageIds: readonly string[]) => void left.push(...messageIds),
  };
}

function openRules(database: Database): ReturnType<typeof openRuleSource> {
  return openRuleSource({
    database,
    intervalMs: 1_000,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
}

async function insertEvent(database: Database, payload: object, ruleRef: string | null = null): Promise<Id> {
  const [event] = await query<{ id: Id }>(
    database,
    "insert into event (trigger_ref, payload, rule_ref) values ('t.one', $1, $2) returning id",
    [JSON.stringify(payload), ruleRef],
  );
  return event?.id ?? "";
}

/** What is said of events that are no longer stored, and of those from before rules had a history. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  explainDedupKey,
  explainStoredEvent,
  type StoredExplanation,
} from "../../src/diagnosis/event-explanation.ts";
import { RulesInForce } from "../../src/diagnosis/rules-in-force.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

let fresh: FreshDatabase;

beforeAll(async () => {
  fresh = await freshDatabase();
  await insertTrigger(fresh.database, "past.t");
});

afterAll(async () => {
  await fresh[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await query(fresh.database, "delete from event");
});

async function addEvent(ageHours = 0): Promise<string> {
  const [row] = await query<{ id: string }>(
    fresh.database,
    `insert into event (trigger_ref, payload, created)
     values ('past.t', '{"level": "info"}', now() - $1 * interval '1 hour') returning id`,
    [ageHours],
  );
  return row?.id ?? "";
}

const explained = (id: string): Promise<StoredExplanation> =>
  explainStoredEvent({ rows: fresh.database, rulesInForce: new RulesInForce() }, id, undefined);

const answer = async (id: string): Promise<string> => (await explained(id)).answer;

test("an event that was dropped is told from one that never was", async () => {
  const [oldest, middle, newest] = [await addEvent(), await addEvent(), await addEvent()];

  await query(fresh.database, "delete from event where id = any ($1::bigint[])", [[oldest, middle]]);
  expect(await answer(oldest)).toBe(
    `there is no event ${oldest} any more: events older than retention.events are dropped; the oldest is ${newest}`,
  );
  await query(fresh.database, "delete from event");
  expect(await answer(newest)).toBe(
    `there is no event ${newest} any more: events older than retention.events are dropped`,
  );
  await addEvent();
  const beyond = String(BigInt(newest) + 1_000_000_000n);
  expect(await answer(beyond)).toBe(`there is no event ${beyond}: no event has had this id yet`);
  expect(await answer("0")).toBe("no event has the id 0: the first is 1");
});

test("a stray row with a low id changes nothing about what was dropped", async () => {
  const [dropped, oldest] = [await addEvent(), await addEvent()];
  await query(fresh.database, "delete from event where id = $1", [dropped]);
  await query(fresh.database, "insert into event (id, trigger_ref) values (0, 'past.t')");
  expect(await query(fresh.database, "select count(*)::int as stray from event_default")).toEqual([
    { stray: 1 },
  ]);

  expect(await answer(dropped)).toBe(
    `there is no event ${dropped} any more: events older than retention.events are dropped; the oldest is ${oldest}`,
  );
});

test("an id between those of stored events was reserved and not used", async () => {
  await addEvent();
  const unused = await addEvent();
  await addEvent();
  await query(fresh.database, "delete from event where id = $1", [unused]);

  expect(await answer(unused)).toBe(
    `there is no event ${unused}: its id was reserved and not used, as for an event that was refused or a duplicate`,
  );
});

test("a dedup key of a misspelt trigger is told from one that is not remembered", async () => {
  const asked = async (triggerRef: string): Promise<string> => {
    const source = { rows: fresh.database, rulesInForce: new RulesInForce() };
    return (await explainDedupKey(source, { triggerRef, dedupKey: "k", ruleRef: undefined })).answer;
  };

  expect(await asked("past.t")).toMatch(/^no event of past\.t with the dedup_key "k" is remembered: /);
  expect(await asked("pasd.t")).toBe("there is no trigger pasd.t; did you mean past.t?");
});

test("an event from before rules had a history is explained with their oldest version, and a note says so", async () => {
  const conditions = [{ field: "level", operator: "equals", value: "critical" }];
  await insertRule(fresh.database, { ref: "past.rule", triggerRef: "past.t", conditions });
  await query(fresh.database, "update rule_version set operation = 'found' where rule_ref = 'past.rule'");
  await query(fresh.database, "update rule set conditions = '[]' where ref = 'past.rule'");
  await insertRule(fresh.database, { ref: "past.later", triggerRef: "past.t" });
  const id = await addEvent(1);

  const explanation = await explained(id);

  expect(explanation.answer).toBe(
    `event ${id}: past.rule does not match: conditions[0]: \`level\` is "info", not "critical"`,
  );
  expect(explanation.notes).toEqual([expect.stringContaining("from before the history of rules")]);
  expect(explanation.rules.map(({ ruleRef, story }) => [ruleRef, story.kind])).toEqual([
    ["past.rule", "unmatched"],
    ["past.later", "not-yet"],
  ]);
});

/** A rule for the level "critical", and an event of the level "info" that was stored under it. */
async function storeUnmatched(
  ruleRef: string,
): Promise<{ readonly ruleId: string; readonly eventId: string }> {
  const conditions = [{ field: "level", operator: "equals", value: "critical" }];
  const ruleId = await insertRule(fresh.database, { ref: ruleRef, triggerRef: "past.t", conditions });
  const [stored] = await query<{ id: string }>(
    fresh.database,
    `insert into event (trigger_ref, payload, matched_revision)
     select 'past.t', '{"level": "info"}', value from rule_revision returning id`,
  );
  return { ruleId, eventId: stored?.id ?? "" };
}

// Goal: what a replay stored is told from what happened when the event was stored.
test("an enforcement that a replay added is not said to be a match of that time, and a copy names its original", async () => {
  await query(fresh.database, "delete from rule");
  const { ruleId, eventId: id } = await storeUnmatched("past.fixed");
  const laterId = await insertRule(fresh.database, { ref: "past.added", triggerRef: "past.t" });
  await query(
    fresh.database,
    `insert into enforcement (id, rule, rule_ref, trigger_ref, event, replayed_from)
     select nextval('enforcement_id_seq'), id, ref, 'past.t', $1, $1 from rule where id = any ($2::bigint[])`,
    [id, [ruleId, laterId]],
  );

  const unmatched = 'past.fixed does not match: conditions[0]: `level` is "info", not "critical"';
  const { answer: told, rules, notes } = await explained(id);
  expect(told).toMatch(/^event \d+ matched none of the 2 rules on past\.t; the closest: past\.fixed /);
  expect(told).toContain(`${unmatched}; a replay has since matched it (enforcement `);
  expect(rules.map(({ story, fate }) => [story.kind, fate?.isAdded])).toEqual([
    ["unmatched", true],
    ["not-yet", true],
  ]);
  expect(notes).toEqual([]);

  const [copy] = await query<{ id: string }>(
    fresh.database,
    "insert into event (trigger_ref, payload, replayed_from) values ('past.t', '{}', $1) returning id",
    [id],
  );
  expect((await explained(copy?.id ?? "")).notes).toContain(
    `a replay has stored the event anew; the original is event ${id}`,
  );
});

test("an enforcement that contradicts the rule as it was then is noted", async () => {
  const { ruleId, eventId: id } = await storeUnmatched("past.strict");
  expect((await explained(id)).notes).toEqual([]);
  await query(
    fresh.database,
    `insert into enforcement (id, rule, rule_ref, trigger_ref, event)
     values (nextval('enforcement_id_seq'), $1, 'past.strict', 'past.t', $2)`,
    [ruleId, id],
  );

  const { answer: told, notes } = await explained(id);
  expect(told).toMatch(/^event \d+ matched .*past\.strict/);
  expect(notes).toEqual([
    expect.stringMatching(
      /^enforcement \d+ is stored, although past\.strict does not match: conditions\[0\]: `level` is "info"/,
    ),
  ]);
});

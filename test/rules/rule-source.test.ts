import { expect, test } from "vitest";
import type { Database, Queryable } from "../../src/database/database.ts";
import type { Id } from "../../src/model/identifiers.ts";
import type { EventFacts } from "../../src/model/rules/rule-match.ts";
import { openRuleSource, type DatabaseRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger, type Logger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { eventFacts } from "../model/rules/generated-rules.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger, type RecordingLogger } from "../support/recording-logger.ts";

const hostIs = (value: string): object => ({ field: "host", operator: "equals", value });

test("reads triggers and enabled rules at one revision, and again only when it has moved", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const first = await insertRule(database, {
    ref: "r.first",
    triggerRef: "t.one",
    conditions: [hostIs("a")],
  });
  await insertRule(database, { ref: "r.off", triggerRef: "t.one", enabled: false });
  const rules = await open(database);

  expect(rules.current().trigger("t.one")).toMatchObject({ ref: "t.one", enabled: true });
  expect(rules.current().trigger("t.unknown")).toBeUndefined();
  expect(matched(rules, onHost("a"))).toEqual([first]);
  const before = rules.current();
  expect(await rules.refresh()).toBe(before);

  await query(database, "update rule set enabled = true where ref = 'r.off'");
  const after = await rules.refresh();

  expect(after).not.toBe(before);
  expect(Number(after.revision)).toBeGreaterThan(Number(before.revision));
  expect(matched(rules, onHost("b"))).toHaveLength(1);
});

test("a deleted trigger without rules is forgotten, and one that rules still name is not", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.gone");
  await insertTrigger(database, "t.named");
  await insertRule(database, { ref: "r.named", triggerRef: "t.named" });
  const rules = await open(database);
  expect(rules.current().revisionOf("t.gone")).not.toBe("0");

  await query(database, "update rule set trigger = null");
  await query(database, "delete from trigger where ref in ('t.gone', 't.named')");
  const after = await rules.refresh();

  const revisions = (set: typeof after) => [set.revisionOf("t.gone"), set.revisionOf("t.named")];
  const [named] = await query<{ value: string }>(
    database,
    "select value::text from trigger_revision where trigger_ref = 't.named'",
  );
  expect(revisions(after)).toEqual(["0", named?.value]);
  expect(revisions((await open(database)).current())).toEqual(["0", named?.value]);
});

test("a change by plain SQL is served soon after a hint", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const rules = await open(database);
  await using parts = new AsyncDisposableStack();
  parts.use(running(rules));
  parts.use(await database.listen(`${database.schema}_change`, () => rules.wake()));

  const id = await insertRule(database, { ref: "r.new", triggerRef: "t.one" });

  await expect.poll(() => matched(rules, onHost("a")), { timeout: 20_000 }).toEqual([id]);
});

test("one unusable rule is recorded and logged once, and the others match on", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const good = await insertRule(database, { ref: "r.good", triggerRef: "t.one" });
  const bad = await insertRule(database, {
    ref: "r.bad",
    triggerRef: "t.one",
    conditions: [{ field: "x", operator: "equal" }],
  });
  const odd = await insertRule(database, { ref: "r.odd", triggerRef: "t.one", actionParams: "text" });
  const log = recordingLogger();
  const rules = await open(database, log.logger);
  const other = await open(database);
  await using parts = new AsyncDisposableStack();
  parts.use(running(rules));
  parts.use(running(other));

  await expect
    .poll(() => problems(database), { timeout: 20_000 })
    .toEqual([
      { rule: bad, problem: expect.stringContaining('did you mean "equals"?') },
      { rule: odd, problem: "action_params: must be an object" },
    ]);
  expect(matched(rules, onHost("a"))).toEqual([good]);
  const [since] = await query(database, "select min(since) as since from rule_problem");

  await query(database, "update rule set conditions = '{}' where id = $1", [bad]);
  rules.wake();
  await expect.poll(() => problems(database), { timeout: 20_000 }).toHaveLength(1);

  expect(matched(rules, onHost("a"))).toEqual([good, bad]);
  expect(await query(database, "select min(since) as since from rule_problem")).toEqual([since]);
  expect(messagesOf(log)).toEqual([
    "a rule is invalid and matches nothing",
    "a rule is invalid and matches nothing",
    "an invalid rule has been corrected, disabled or deleted",
  ]);
});

test("rules written by SQL that can never match have their problems in rule_problem, and the others match", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const conditions: readonly (readonly [conditions: object, problem: string])[] = [
    [[{ ...hostIs("a"), field: "trigger.host" }], "write host"],
    [[hostIs("{{ event.payload.master }}")], "contains the template"],
    [[{ ...hostIs("a"), operator: "neq" }], 'did you mean "not_equals"?'],
    [{ "trigger.host": { type: "eq", pattern: "a" } }, 'write { "field": "host", "operator": "equals"'],
    [[hostIs("a"), hostIs("b")], "never hold"],
  ];
  const bad: Id[] = [];
  for (const [index, [written]] of conditions.entries())
    bad.push(await insertRule(database, { ref: `r.bad${index}`, triggerRef: "t.one", conditions: written }));
  const good: Id[] = [];
  for (const field of ["host", "payload.host", "event.payload.host"]) {
    const written = [{ ...hostIs("a"), field }];
    good.push(await insertRule(database, { ref: `r.${field}`, triggerRef: "t.one", conditions: written }));
  }
  const rules = await open(database);
  await using parts = new AsyncDisposableStack();
  parts.use(running(rules));

  await expect
    .poll(() => problems(database), { timeout: 20_000 })
    .toEqual(
      conditions.map(([, problem], index) => ({
        rule: bad[index],
        problem: expect.stringContaining(problem) as unknown,
      })),
    );
  expect(matched(rules, onHost("a"))).toEqual(good);
});

test("conditions written by SQL that look wrong are used, and logged once until they look wrong in another way", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const contains = (value: string): string =>
    JSON.stringify([{ field: "host", operator: "contains", value }]);
  const id = await insertRule(database, {
    ref: "r.doubtful",
    triggerRef: "t.one",
    conditions: JSON.parse(contains("")),
  });
  const log = recordingLogger();
  const rules = await open(database, log.logger);
  await using parts = new AsyncDisposableStack();
  parts.use(running(rules));
  const told = (): readonly unknown[] =>
    log.lines.filter(({ message }) => message.startsWith("a rule's conditions")).map(({ fields }) => fields);
  const first = {
    rule_id: id,
    rule_ref: "r.doubtful",
    reason: expect.stringMatching(/^conditions\[0\]\.value: /),
  };

  await expect.poll(told, { timeout: 20_000 }).toEqual([first]);
  expect(matched(rules, onHost("a"))).toEqual([id]);
  const other = await insertRule(database, { ref: "r.fine", triggerRef: "t.one" });
  rules.wake();
  await expect.poll(() => matched(rules, onHost("a")), { timeout: 20_000 }).toEqual([id, other]);

  await query(database, "update rule set conditions = $1 where id = $2", [
    JSON.stringify([{ field: "paylod.host", operator: "exists" }]),
    id,
  ]);
  rules.wake();

  const second = { ...first, reason: expect.stringMatching(/^conditions\[0\]\.field: /) };
  await expect.poll(told, { timeout: 20_000 }).toEqual([first, second]);
  expect(await problems(database)).toEqual([]);
});

test("problems judged at an older revision are not written", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const bad = await insertRule(database, { ref: "r.bad", triggerRef: "t.one", conditions: "nonsense" });
  // A source that does not see the revision move: the rule is corrected behind its back.
  let isFrozen = false;
  let attempts = 0;
  const rules = await open({
    async query(asked) {
      if (asked.name === "record_rule_problems") attempts += 1;
      return isFrozen && asked.name === "read_rule_changes"
        ? { rows: [{ kind: "revision", id: rules.current().revision, is_known: true, is_complete: true }] }
        : await database.query(asked);
    },
  });
  isFrozen = true;
  await query(database, "update rule set conditions = null where id = $1", [bad]);
  await using parts = new AsyncDisposableStack();
  parts.use(running(rules));

  await expect.poll(() => attempts, { timeout: 20_000 }).toBeGreaterThan(1);
  expect(await problems(database)).toEqual([]);

  isFrozen = false;
  await expect.poll(() => rules.current().problems.size, { timeout: 20_000 }).toBe(0);
  expect(await problems(database)).toEqual([]);
});

test.each([
  ["commits", "is recorded already", true],
  ["commits", "is not recorded yet", false],
  ["rolls back", "is recorded already", true],
  ["rolls back", "is not recorded yet", false],
] as const)(
  "a person who deletes an unusable rule and %s is not held up, when it %s",
  async (end, _recorded, isRecorded) => {
    await using fresh = await freshDatabase();
    const { database } = fresh;
    await insertTrigger(database, "t.one");
    const bad = await insertRule(database, { ref: "r.bad", triggerRef: "t.one", conditions: "nonsense" });
    const wrong = { rule: bad, problem: expect.any(String) };
    if (isRecorded) {
      await using _running = running(await open(database));
      await expect.poll(() => problems(database), { timeout: 20_000 }).toEqual([wrong]);
    }
    const person = await fresh.connect();
    await person.query("begin");
    await person.query("delete from rule where ref = 'r.bad'");

    let attempts = 0;
    const rules = await open({
      async query(asked) {
        const answer = await database.query(asked);
        if (asked.name === "record_rule_problems") attempts += 1;
        return answer;
      },
    });
    await using _running = running(rules);
    await expect.poll(() => attempts, { timeout: 20_000 }).toBe(1);

    await person.query(end === "commits" ? "commit" : "rollback");
    rules.wake();
    await expect
      .poll(() => problems(database), { timeout: 20_000 })
      .toEqual(end === "commits" ? [] : [wrong]);
  },
);

test("looks at the revision again and again, but reads rules and writes problems only after a change", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  await insertRule(database, { ref: "r.bad", triggerRef: "t.one", conditions: "nonsense" });
  const asked: string[] = [];
  const counting: Queryable = {
    async query(statement) {
      asked.push(statement.name ?? "");
      return await database.query(statement);
    },
  };
  const rules = await open(counting, silentLogger, 5);
  await using parts = new AsyncDisposableStack();
  parts.use(running(rules));

  await expect.poll(() => asked.filter((name) => name === "read_rule_changes").length).toBeGreaterThan(5);

  expect(asked.filter((name) => name !== "read_rule_changes")).toEqual([
    "read_triggers",
    "read_rule_page",
    "record_rule_problems",
  ]);
});

// Goal: what docs/scaling.md says of the statements and rows that a change costs.
test("one changed rule is read alone, whatever the number of others", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  await insertTrigger(database, "t.two");
  const id = await insertRule(database, { ref: "r.one", triggerRef: "t.one", conditions: [hostIs("a")] });
  const fill = "insert into rule (ref, action_ref, trigger_ref) select 'r.' || n, 'a', 't.two'";
  await query(database, `${fill} from generate_series(1, 300) as n`);
  const asked: [name: string, rows: number][] = [];
  const counting: Queryable = {
    async query(statement) {
      const answer = await database.query(statement);
      asked.push([statement.name ?? "", answer.rows.length]);
      return answer;
    },
  };
  const rules = await open(counting);
  const costOf = async (change: string): Promise<readonly unknown[]> => {
    asked.length = 0;
    await query(database, change);
    await rules.refresh();
    return asked.slice();
  };

  expect(await costOf("update rule set label = 'x'")).toEqual([["read_rule_changes", 1]]);
  expect(await costOf(`update rule set conditions = '[]' where id = ${id}`)).toEqual([
    ["read_rule_changes", 3],
  ]);
  expect(matched(rules, onHost("b"))).toEqual([id]);
  expect(await costOf(`update rule set enabled = false where id = ${id}`)).toEqual([
    ["read_rule_changes", 3],
  ]);
  expect(matched(rules, onHost("b"))).toEqual([]);
  expect(await costOf(`update rule set enabled = true, trigger_ref = 't.two' where id = ${id}`)).toEqual([
    ["read_rule_changes", 3],
  ]);
  expect(await costOf("update trigger set label = 'x' where ref = 't.one'")).toEqual([
    ["read_rule_changes", 2],
  ]);
  expect(rules.current().trigger("t.one")?.label).toBe("x");
});

test("more changes than one statement returns are read page by page, as of one revision", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const first = await insertRule(database, { ref: "r.first", triggerRef: "t.one" });
  let isLate = false;
  const asked: string[] = [];
  const rules = await open({
    async query(statement) {
      asked.push(statement.name ?? "");
      // Between the first page and the last: what has been read is changed, and what has not is added.
      if (isLate && asked.filter((name) => name === "read_changed_rule_page").length === 2) {
        isLate = false;
        await query(database, "delete from rule where id = $1", [first]);
        await query(database, "update rule set trigger_ref = 't.two' where ref = 'r.7'");
      }
      return await database.query(statement);
    },
  });
  await query(
    database,
    `insert into rule (ref, action_ref, trigger_ref) select 'r.' || n, 'a', 't.one' from generate_series(1, 2001) as n`,
  );
  asked.length = 0;
  isLate = true;

  await rules.refresh();

  expect(asked).toEqual([
    "read_rule_changes",
    "read_triggers",
    "read_changed_rule_page",
    "read_changed_rule_page",
    "read_rule_changes",
  ]);
  expect(rules.current().counts).toEqual({ valid: 2_001, invalid: 0 });
  expect(matched(rules, onHost("a"))).toHaveLength(2_000);
  expect(matched(rules, onHost("a"))).not.toContain(first);
  expect(await rules.refresh()).toBe(rules.current());
});

// Goal: an agent starts, and keeps up, while somebody changes thousands of rules in one transaction after the other.
// Method: more rules change during each of the first readings than one statement returns.
test("rules that change by the thousands while they are read hold up no start and no refresh", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  await query(
    database,
    `insert into rule (ref, action_ref, trigger_ref) select 'r.' || n, 'a', 't.one' from generate_series(1, 2001) as n`,
  );
  let changesLeft = 11;
  const changing: Queryable = {
    async query(statement) {
      if (changesLeft > 0 && /^read_(?:changed_)?rule_page$/.test(statement.name ?? "")) {
        changesLeft -= 1;
        await query(database, "update rule set action_ref = 'a' || $1", [changesLeft]);
      }
      return await database.query(statement);
    },
  };

  const rules = await open(changing);

  expect(changesLeft).toBe(0);
  expect(
    new Set(
      rules
        .current()
        .match(onHost("a"))
        .map(({ actionRef }) => actionRef),
    ),
  ).toEqual(new Set(["a0"]));
  changesLeft = 11;
  await query(database, "update rule set action_ref = 'b'");
  await rules.refresh();
  expect(
    new Set(
      rules
        .current()
        .match(onHost("a"))
        .map(({ actionRef }) => actionRef),
    ),
  ).toEqual(new Set(["a0"]));
  expect(await rules.refresh()).toBe(rules.current());
});

test("everything is read again when the changes are no longer remembered, or very many", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const asked = new Set<string>();
  const rules = await open({
    query(statement) {
      asked.add(statement.name ?? "");
      return database.query(statement);
    },
  });
  await insertRule(database, { ref: "r.first", triggerRef: "t.one" });
  await query(database, "select forget_rule_changes(value) from rule_revision");
  await insertRule(database, { ref: "r.second", triggerRef: "t.one" });
  asked.clear();
  await rules.refresh();
  expect(asked).toContain("read_rule_page");
  expect(rules.current().counts.valid).toBe(2);

  await query(
    database,
    `insert into rule (ref, action_ref, trigger_ref) select 'r.' || n, 'a', 't.one' from generate_series(1, 20001) as n`,
  );
  asked.clear();
  await rules.refresh();
  expect(asked).toContain("read_rule_page");
  expect(rules.current().counts.valid).toBe(20_003);
});

test("serves the last set while the database is unreachable, and the newest afterwards", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const old = await insertRule(database, { ref: "r.old", triggerRef: "t.one" });
  let isAway = false;
  const flaky: Queryable = {
    query: (asked) => (isAway ? Promise.reject(new Error("away")) : database.query(asked)),
  };
  const log = recordingLogger();
  const rules = await open(flaky, log.logger);
  await using parts = new AsyncDisposableStack();
  parts.use(running(rules));

  isAway = true;
  const added = await insertRule(database, { ref: "r.added", triggerRef: "t.one" });
  await expect(rules.refresh()).rejects.toThrow("away");
  rules.wake();
  await expect.poll(() => messagesOf(log), { timeout: 20_000 }).toHaveLength(1);
  expect(matched(rules, onHost("a"))).toEqual([old]);

  isAway = false;
  await expect.poll(() => matched(rules, onHost("a")), { timeout: 20_000 }).toEqual([old, added]);
});

// Goal: a caller that knows of a change gets a set with it, even while a read is in progress.
// Method: hold the answer of a reading, change a rule, ask again.
test("a refresh requested during another one sees everything committed before the request", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const gate = Promise.withResolvers<void>();
  let readings = 0;
  const slow: Queryable = {
    async query(asked) {
      if (asked.name !== "read_rule_changes") return await database.query(asked);
      readings += 1;
      const answer = await database.query(asked);
      if (readings === 2) await gate.promise;
      return answer;
    },
  };
  const rules = await open(slow);
  const first = await insertRule(database, { ref: "r.first", triggerRef: "t.one" });
  const early = rules.refresh();
  await expect.poll(() => readings).toBe(2);
  const second = await insertRule(database, { ref: "r.second", triggerRef: "t.one" });

  const late = [rules.refresh(), rules.refresh(), rules.refresh()];
  gate.resolve();

  await early;
  const sets = await Promise.all(late);
  expect(new Set(sets).size).toBe(1);
  expect(readings).toBe(3);
  expect(sets[0]?.match(onHost("a")).map(({ ruleId }) => ruleId)).toEqual([first, second]);
});

test("a refresh that waits for one that fails reads the rules itself", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const answers: ("fails" | "answers")[] = [];
  const flaky: Queryable = {
    query: (asked) =>
      answers.shift() === "fails" ? Promise.reject(new Error("no answer")) : database.query(asked),
  };
  const rules = await open(flaky);
  const added = await insertRule(database, { ref: "r.added", triggerRef: "t.one" });

  answers.push("fails");
  const [first, second] = await Promise.allSettled([rules.refresh(), rules.refresh()]);

  expect([first.status, second.status]).toEqual(["rejected", "fulfilled"]);
  expect(matched(rules, onHost("a"))).toEqual([added]);
});

test("five thousand rules are read and compiled without holding events up for long", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "t.one");
  const rules = await open(database);
  await query(
    database,
    `insert into rule (ref, action_ref, trigger_ref, conditions)
     select 'r.' || n, 'core.noop', 't.one',
            jsonb_build_array(
              jsonb_build_object('field', 'host', 'operator', 'equals', 'value', 'host-' || n % 500),
              jsonb_build_object('field', 'text', 'operator', 'matches', 'value', '^[a-z]+ ' || n % 100))
       from generate_series(1, 5000) as n`,
  );
  // The processor's time, so that what else the machine does is no part of it.
  const pauses: number[] = [];
  let last = process.threadCpuUsage();
  const turn = (): void => {
    const { user, system } = process.threadCpuUsage(last);
    pauses.push(user + system);
    last = process.threadCpuUsage();
  };
  const timer = setInterval(turn, 1);

  await rules.refresh();
  clearInterval(timer);
  turn();

  expect(rules.current().match(onHost("host-7"))).toEqual([]);
  expect(rules.current().match(eventFacts({ payload: { host: "host-7", text: "load 7" } }))).toHaveLength(10);
  // Of the whole time most is compiling; in one go that alone would be the longest pause.
  const whole = pauses.reduce((sum, pause) => sum + pause, 0);
  expect(Math.max(...pauses)).toBeLessThan(whole / 3);
});

function open(
  database: Queryable,
  logger: Logger = silentLogger,
  intervalMs = 1_000,
): Promise<DatabaseRuleSource> {
  return openRuleSource({ database, intervalMs, logger, clock: systemClock, random: Math.random });
}

function running(rules: DatabaseRuleSource): AsyncDisposable {
  const stop = new AbortController();
  const ended = rules.run(stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

function matched(rules: DatabaseRuleSource, event: EventFacts): readonly Id[] {
  return rules
    .current()
    .match(event)
    .map(({ ruleId }) => ruleId);
}

function onHost(host: string): EventFacts {
  return eventFacts({ payload: { host } });
}

async function problems(database: Database): Promise<readonly object[]> {
  return await query(database, "select rule, problem from rule_problem order by rule");
}

function messagesOf({ lines }: RecordingLogger): string[] {
  return lines.map(({ message }) => message);
}

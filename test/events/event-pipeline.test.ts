import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Database, Query, Queryable } from "../../src/database/database.ts";
import { ConnectionError } from "../../src/database/errors.ts";
import { EventGenerator } from "../../src/events/event-generator.ts";
import type { MessageOutlet } from "../../src/events/batch-outcomes.ts";
import { EventPipeline } from "../../src/events/event-pipeline.ts";
import { ReservedIds } from "../../src/events/reserved-ids.ts";
import { ServerWatch } from "../../src/events/server-watch.ts";
import type { OutgoingMessage } from "../../src/messaging/message-transport.ts";
import type { EventSource, IncomingEvent } from "../../src/model/incoming-event.ts";
import type { RuleSource } from "../../src/model/rule-match.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { systemClock } from "../../src/time/clock.ts";
import { matchEverything } from "../support/match-everything.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

let fresh: FreshDatabase;
let source: EventSource;
const instance = randomUUID();

beforeEach(async () => {
  fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "demo.tick");
  const sensorId = await insertSensor(database, { ref: "demo.sensor", triggerRef: "demo.tick" });
  const workerId = await insertWorker(database, { name: "w1", instance });
  await query(
    database,
    `insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at)
     values ($1, $2, $3, 1, now() + interval '1 hour')`,
    [sensorId, workerId, instance],
  );
  source = {
    sensorId,
    sensorRef: "demo.sensor",
    sensorConfig: { path: "/x" },
    term: { generation: "1", instance },
  };
});

afterEach(async () => {
  await fresh[Symbol.asyncDispose]();
});

interface RunningPipeline extends AsyncDisposable {
  readonly pipeline: EventPipeline;
  readonly sent: OutgoingMessage[];
  readonly metrics: Metrics;
}

async function startPipeline(
  database: Queryable,
  outlet?: Partial<MessageOutlet>,
  rules?: RuleSource,
): Promise<RunningPipeline> {
  const sent: OutgoingMessage[] = [];
  const metrics = createMetrics({ version: "test", withProcess: false });
  const pipeline = new EventPipeline({
    database,
    server: new ServerWatch({ database, logger: silentLogger }),
    rules: rules ?? (await matchEverything(fresh.database)),
    outlet: {
      publisherInstance: () => instance,
      send: (messages) => sent.push(...messages),
      ...outlet,
    },
    installationId: randomUUID(),
    batchRowsMax: 100,
    batchBytesMax: 1_000_000,
    metrics,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  const abandon = new AbortController();
  const run = pipeline.run(abandon.signal);
  return {
    pipeline,
    sent,
    metrics,
    async [Symbol.asyncDispose]() {
      pipeline.close();
      await run;
    },
  };
}

function tick(change: Partial<IncomingEvent> = {}): IncomingEvent {
  return {
    triggerRef: "demo.tick",
    payload: { n: 1 },
    source,
    triggerInstanceId: null,
    dedupKey: null,
    occurredAt: null,
    checkpoint: undefined,
    ...change,
  };
}

/** Loses the answers of the statement of that name, after or before it was carried out. */
function losingAnswers(database: Database, name: string, losses: ("before" | "after")[]): Queryable {
  return {
    async query(statement) {
      const loss = statement.name === name ? losses.shift() : undefined;
      if (loss === "before") throw new ConnectionError("cut", "unknown");
      const result = await database.query(statement);
      if (loss === "after") throw new ConnectionError("cut", "unknown");
      return result;
    },
  };
}

async function countOf(table: string): Promise<number> {
  const [row] = await query<{ count: string }>(
    fresh.database,
    `select count(*)::text as count from ${table}`,
  );
  return Number(row?.count);
}

test("an event is stored with its enforcement, its owed messages, its checkpoint and a snapshot of the configuration", async () => {
  const ruleId = await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await query(
    fresh.database,
    `with noop as (insert into action (ref) values ('core.noop') returning id)
     update rule set action = noop.id from noop`,
  );
  await using running = await startPipeline(fresh.database);

  const outcome = await running.pipeline.accept(
    tick({ checkpoint: { offset: 7 }, occurredAt: "2026-01-02T03:04:05.123456Z", dedupKey: "k" }),
  );

  expect(outcome.kind).toBe("stored");
  const [event] = await query(fresh.database, "select * from event");
  expect(event).toMatchObject({
    trigger_ref: "demo.tick",
    payload: { n: 1 },
    source_ref: "demo.sensor",
    dedup_key: "k",
    occurred_at: new Date("2026-01-02T03:04:05.123Z"),
    config: { trigger: { ref: "demo.tick" }, sensor: { ref: "demo.sensor", config: { path: "/x" } } },
  });
  expect(
    await query(
      fresh.database,
      `select rule, rule_ref, enforcement.action = action.id as has_action, action_ref, status, payload, condition
         from enforcement
         join action on action.ref = action_ref`,
    ),
  ).toEqual([
    {
      rule: ruleId,
      rule_ref: "demo.rule",
      has_action: true,
      action_ref: "core.noop",
      status: "created",
      payload: { n: 1 },
      condition: "all",
    },
  ]);
  expect(await query(fresh.database, "select value from sensor_checkpoint")).toEqual([
    { value: { offset: 7 } },
  ]);
  const owed = await query<{ message_id: string }>(
    fresh.database,
    "select message_id from outbox where body is null order by routing_key desc",
  );
  expect(running.sent.map(({ messageId }) => messageId)).toEqual(owed.map(({ message_id }) => message_id));
  expect(running.sent.map(({ routingKey }) => routingKey)).toEqual(["event.created", "enforcement.created"]);
});

test("events of one source are stored in the order they came, in batches that form by themselves", async () => {
  await using running = await startPipeline(fresh.database);

  const outcomes = await Promise.all(
    Array.from({ length: 1_000 }, (_, n) => running.pipeline.accept(tick({ payload: { n }, checkpoint: n }))),
  );

  const ids = outcomes.map((outcome) => (outcome.kind === "stored" ? BigInt(outcome.eventId) : 0n));
  expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)));
  expect(await countOf("event")).toBe(1_000);
  expect(await query(fresh.database, "select value from sensor_checkpoint")).toEqual([{ value: 999 }]);
});

test("an event with a dedup_key that is there already is a duplicate of it, in one batch and across batches", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await startPipeline(fresh.database);

  const first = await running.pipeline.accept(tick({ dedupKey: "same" }));
  const later = await Promise.all([
    running.pipeline.accept(tick({ dedupKey: "same", checkpoint: "c" })),
    running.pipeline.accept(tick({ dedupKey: "other" })),
    running.pipeline.accept(tick({ dedupKey: "other" })),
  ]);

  const eventId = first.kind === "stored" ? first.eventId : "";
  expect(later[0]).toEqual({ kind: "duplicate", eventId });
  expect(later.map(({ kind }) => kind)).toEqual(["duplicate", "stored", "duplicate"]);
  expect(later[2]).toEqual({
    kind: "duplicate",
    eventId: later[1].kind === "stored" ? later[1].eventId : "",
  });
  expect(await countOf("enforcement")).toBe(2);
  expect(await query(fresh.database, "select value from sensor_checkpoint")).toEqual([{ value: "c" }]);
  expect(await running.metrics.text()).toContain(
    'attune_sensor_agent_sensor_events_total{sensor_ref="demo.sensor"} 4\n',
  );
});

test("an event of an assignment that is held no more is fenced, and the others of its batch are stored", async () => {
  await using running = await startPipeline(fresh.database);
  const past = { ...source, term: { generation: "0", instance } };
  const foreign = { ...source, term: { generation: "1", instance: randomUUID() } };

  const outcomes = await Promise.all([
    running.pipeline.accept(tick({ source: past, checkpoint: "old" })),
    running.pipeline.accept(tick()),
  ]);

  expect(outcomes.map(({ kind }) => kind)).toEqual(["fenced", "stored"]);
  expect((await running.pipeline.accept(tick({ source: foreign, checkpoint: "old" }))).kind).toBe("fenced");
  expect(await countOf("event")).toBe(1);
  expect(await countOf("sensor_checkpoint")).toBe(0);
});

// The batch must not read the assignment as it was before a claim that is about to commit.
test("a batch waits for a claim that is under way, and its events are fenced", async () => {
  await using running = await startPipeline(fresh.database);
  const claimed = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const claim = fresh.database.transaction(async (transaction) => {
    await query(transaction, "update sensor_assignment set generation = 2, instance = $1", [randomUUID()]);
    claimed.resolve();
    await mayCommit.promise;
  });
  await claimed.promise;

  const accepted = running.pipeline.accept(tick());
  await expect
    .poll(() => query(fresh.database, waitingStatements), { timeout: 5_000 })
    .toEqual([{ count: "1" }]);
  mayCommit.resolve();
  await claim;

  expect((await accepted).kind).toBe("fenced");
});

const waitingStatements = `select count(*)::text as count from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock'`;

// Goal: whoever deletes a pack with its sensors and rules is not the victim of a deadlock with events.
// Method: a transaction that has deleted the sensor is left open until a batch waits for it, for longer than the
// server takes to look for deadlocks; then it commits, which raises the revision.
test("a batch that waits for the deletion of its sensor does not deadlock with the change of a rule in it", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  const operator = await fresh.connect();
  await operator.query("begin; delete from rule; delete from sensor");
  await using running = await startPipeline(fresh.database);

  const outcome = running.pipeline.accept(tick());
  const waiting =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  await expect.poll(() => query(fresh.database, waiting), { timeout: 5_000 }).toHaveLength(1);
  await sleep(1_200); // deadlock_timeout is 1 s.
  await operator.query("commit");

  expect(await outcome).toEqual({ kind: "fenced" });
});

test("a batch with very many matches is stored in pieces, in order", async () => {
  for (let n = 0; n < 250; n += 1) {
    await insertRule(fresh.database, { ref: `demo.many${n}`, triggerRef: "demo.tick" });
  }
  let statements = 0;
  await using running = await startPipeline({
    query(asked) {
      if (asked.name === "store_batch") statements += 1;
      return fresh.database.query(asked);
    },
  });

  const outcomes = await Promise.all(
    Array.from({ length: 101 }, (_, n) => running.pipeline.accept(tick({ payload: { n } }))),
  );

  expect(outcomes.every(({ kind }) => kind === "stored")).toBe(true);
  expect(await countOf("enforcement")).toBe(101 * (await countOf("rule")));
  // The first alone or with those that came at once; a full batch of 100 has more than 20,000 matches.
  expect(statements).toBeGreaterThanOrEqual(3);
  const order = await query<{ n: number }>(
    fresh.database,
    "select (payload ->> 'n')::int as n from event order by id",
  );
  expect(order.map(({ n }) => n)).toEqual(Array.from({ length: 101 }, (_, n) => n));
}, 60_000);

test("more ids than a call takes arguments are reserved at once", async () => {
  const ids = await new ReservedIds(fresh.database, "enforcement_id_seq").take(200_000);

  expect(ids).toHaveLength(200_000);
  expect(new Set(ids).size).toBe(200_000);
});

test("ids that are forgotten are not used, nor those that were under way", async () => {
  const answers: PromiseWithResolvers<void>[] = [];
  const database: Queryable = {
    async query(statement) {
      const answer = Promise.withResolvers<void>();
      answers.push(answer);
      const result = await fresh.database.query(statement);
      await answer.promise;
      return result;
    },
  };
  const ids = new ReservedIds(database, "event_id_seq");
  const early = ids.take(600);
  await expect.poll(() => answers.length).toBe(1);
  answers[0]?.resolve();
  await early; // Asks for the next block.
  await expect.poll(() => answers.length).toBe(2);

  ids.forget();
  const late = ids.take(1);
  answers[1]?.resolve();
  await expect.poll(() => answers.length).toBe(3);
  answers[2]?.resolve();
  await expect.poll(() => answers.length).toBe(4);
  answers[3]?.resolve();

  expect(BigInt((await late)[0] ?? 0)).toBeGreaterThan(2_000n);
});

test("an event that the database cannot hold is refused alone", async () => {
  await query(fresh.database, "alter table event add constraint odd check ((payload->>'n')::int <> 13)");
  await using running = await startPipeline(fresh.database);

  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, n) => running.pipeline.accept(tick({ payload: { n } }))),
  );

  expect(outcomes.map(({ kind }) => kind).filter((kind) => kind !== "stored")).toEqual(["refused"]);
  expect(outcomes[13]?.kind).toBe("refused");
  expect((await running.pipeline.accept(tick({ payload: { text: "\u0000" } }))).kind).toBe("refused");
  expect((await running.pipeline.accept(tick({ checkpoint: "\ud800" }))).kind).toBe("refused");
});

test.each([
  ["written into texts", { m: "of {{ event.payload.x }} ".repeat(40) }],
  ["taken whole", Object.fromEntries(Array.from({ length: 40 }, (_, n) => [n, "{{ event.payload }}"]))],
])("an event of which rules make too much is refused alone: %s", async (_, actionParams) => {
  const { database } = fresh;
  await insertRule(database, { ref: "demo.wordy", triggerRef: "demo.tick", actionParams });
  const rules = await openRuleSource({
    database,
    intervalMs: 60_000,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  await using running = await startPipeline(database, {}, rules);

  const sizes = [1, 15_000_000, 1, 1_000_000, 1_000_000, 1];
  const outcomes = await Promise.all(
    sizes.map((length) => running.pipeline.accept(tick({ payload: { x: "y".repeat(length) } }))),
  );

  // Two of a million are too much for one batch, and not each for itself.
  expect(outcomes.map(({ kind }) => kind)).toEqual(sizes.map((n) => (n > 5e6 ? "refused" : "stored")));
  expect(outcomes[1]).toMatchObject({ reason: expect.stringContaining("67108864 characters") });
});

test("an event of an unknown or disabled trigger is refused with the reason; a trigger made a moment ago is found", async () => {
  await using running = await startPipeline(fresh.database);

  expect(await running.pipeline.accept(tick({ triggerRef: "demo.new" }))).toEqual({
    kind: "refused",
    reason: "trigger demo.new does not exist",
  });
  await insertTrigger(fresh.database, "demo.new");
  expect((await running.pipeline.accept(tick({ triggerRef: "demo.new" }))).kind).toBe("stored");
  await query(fresh.database, "update trigger set enabled = false where ref = 'demo.new'");
  expect(await running.pipeline.accept(tick({ triggerRef: "demo.new" }))).toEqual({
    kind: "refused",
    reason: "trigger demo.new is disabled",
  });
});

test("an event is never matched against a rule that was changed before it was stored", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await startPipeline(fresh.database);
  await running.pipeline.accept(tick());

  await query(fresh.database, "update rule set enabled = false");
  await running.pipeline.accept(tick());
  await query(fresh.database, "update rule set enabled = true");
  await running.pipeline.accept(tick());

  expect(await countOf("event")).toBe(3);
  expect(await countOf("enforcement")).toBe(2);
});

// Goal: while rules flip under load, no enforcement contradicts the order of commits.
// Method: each flip writes, in its own transaction, the clock's time; an enforcement of an event stored
// in a transaction that began after a "disabled" commit and before the next "enabled" one is a contradiction.
test("a rule changed while its events are in flight fires only for events committed before the change", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await query(
    fresh.database,
    "create table flip (enabled boolean, event_count bigint, enforcement_count bigint)",
  );
  await using running = await startPipeline(fresh.database);
  const flood = new AbortController();
  const sending = (async () => {
    while (!flood.signal.aborted) {
      await Promise.all(Array.from({ length: 25 }, () => running.pipeline.accept(tick())));
    }
  })();

  for (let n = 0; n < 20; n += 1) {
    for (const isEnabled of [false, true]) {
      await query(fresh.database, "update rule set enabled = $1", [isEnabled]);
      // After the change's commit every stored event was judged by the new state: counts move together or not at all.
      const [before] = await query<Counts>(fresh.database, counts);
      await expect
        .poll(async () => (await query<Counts>(fresh.database, counts))[0]?.events, { timeout: 5_000 })
        .not.toBe(before?.events);
      const [after] = await query<Counts>(fresh.database, counts);
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

test.each(["before", "after"] as const)(
  "an answer lost %s the commit neither loses nor doubles",
  async (when) => {
    await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
    await using running = await startPipeline(losingAnswers(fresh.database, "store_batch", [when, when]));

    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, n) => running.pipeline.accept(tick({ payload: { n } }))),
    );

    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(["stored"]));
    expect(await countOf("event")).toBe(10);
    expect(await countOf("enforcement")).toBe(10);
    expect(new Set(running.sent.map(({ messageId }) => messageId)).size).toBe(20);
  },
);

test("an answer lost with a duplicate in the batch does not move the checkpoint back", async () => {
  {
    await using before = await startPipeline(fresh.database);
    await before.pipeline.accept(tick({ dedupKey: "known" }));
  }
  await using running = await startPipeline(losingAnswers(fresh.database, "store_batch", ["after"]));

  const outcomes = await Promise.all([
    running.pipeline.accept(tick({ dedupKey: "known", checkpoint: 1 })),
    running.pipeline.accept(tick({ checkpoint: 2 })),
  ]);

  expect(outcomes.map(({ kind }) => kind)).toEqual(["duplicate", "stored"]);
  expect(await query(fresh.database, "select value from sensor_checkpoint")).toEqual([{ value: 2 }]);
});

// Goal: no statement that was given up moves a checkpoint back when the network delivers it after all.
// Method: the first batch's statement is lost on the way, and carried out again after a later batch.
test("a statement that arrives after later ones moves no checkpoint back", async () => {
  const late: Query[] = [];
  const database: Queryable = {
    async query(statement) {
      if (statement.name !== "store_batch" || late.length > 0) return fresh.database.query(statement);
      late.push(statement);
      throw new ConnectionError("cut", "unknown");
    },
  };
  await using running = await startPipeline(database);
  await running.pipeline.accept(tick({ checkpoint: 1 }));
  await running.pipeline.accept(tick({ checkpoint: 2 }));

  for (const statement of late) {
    await expect(fresh.database.query(statement)).rejects.toMatchObject({ constraint: "event_pkey" });
  }

  expect(await query(fresh.database, "select value from sensor_checkpoint")).toEqual([{ value: 2 }]);
  expect(await countOf("event")).toBe(2);
});

/** As another worker would, after the database came back as it was before it gave out this pipeline's ids. */
async function setBack(sequence: "event_id_seq" | "enforcement_id_seq", insert: string): Promise<void> {
  await query(fresh.database, `select setval('${sequence}', 1)`);
  await query(fresh.database, insert);
}

const foreignEvents = `insert into event (trigger_ref, payload)
  select 'demo.tick', '{"foreign": true}' from generate_series(1, 3)`;

test("events whose ids a database that was set back gave to others are stored with new ones", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await startPipeline(fresh.database);
  await running.pipeline.accept(tick({ payload: { n: 0 } }));
  await setBack("event_id_seq", foreignEvents);

  const outcomes = await Promise.all(
    [1, 2, 3, 4, 5].map((n) => running.pipeline.accept(tick({ payload: { n }, checkpoint: n }))),
  );

  expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => "stored"));
  expect(await query(fresh.database, "select payload -> 'n' as n from event order by id")).toEqual(
    [0, null, null, null, 1, 2, 3, 4, 5].map((n) => ({ n })),
  );
  expect(await query(fresh.database, "select value from sensor_checkpoint")).toEqual([{ value: 5 }]);
  expect(await countOf("enforcement")).toBe(6);
  expect(new Set(running.sent.map(({ messageId }) => messageId)).size).toBe(12);
});

test("enforcements whose ids were given to others are stored with new ones", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await startPipeline(fresh.database);
  await running.pipeline.accept(tick());
  await setBack(
    "enforcement_id_seq",
    "insert into enforcement (rule_ref, trigger_ref) select 'other', 'demo.tick' from generate_series(1, 3)",
  );

  const outcome = await running.pipeline.accept(tick());

  expect(outcome.kind).toBe("stored");
  expect(
    await query(fresh.database, "select rule_ref from enforcement where event is not null order by id"),
  ).toEqual([{ rule_ref: "demo.rule" }, { rule_ref: "demo.rule" }]);
});

// Goal: the order of checkpoints, and the difference of message ids, outlive a failover.
// Method: the sequences are set back behind what the pipeline holds, and it uses up what it holds.
test("after the database was set back, checkpoints move on and no message id is used again", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await startPipeline(fresh.database);
  const acceptUpTo = async (first: number, last: number): Promise<void> => {
    for (let next = first; next <= last; next += 100) {
      const numbers = Array.from({ length: 100 }, (_, index) => next + index);
      await Promise.all(numbers.map((n) => running.pipeline.accept(tick({ payload: { n }, checkpoint: n }))));
    }
  };
  await acceptUpTo(1, 2_000);
  // What the primary has lost.
  await query(fresh.database, "delete from enforcement where event > 100");
  await query(fresh.database, "delete from outbox where event > 100 or enforcement > 100");
  await query(fresh.database, "delete from event where id > 100");
  await query(fresh.database, "update sensor_checkpoint set value = '100', event = 100");
  await query(fresh.database, "select setval('event_id_seq', 200), setval('enforcement_id_seq', 200)");

  await acceptUpTo(2_001, 3_700);

  expect(await query(fresh.database, "select value from sensor_checkpoint")).toEqual([{ value: 3_700 }]);
  expect(await countOf("event")).toBe(1_800);
  expect(await countOf("enforcement")).toBe(1_800);
  expect(new Set(running.sent.map(({ messageId }) => messageId)).size).toBe(running.sent.length);
});

test("a sequence that a restoration left far behind is moved on at once", async () => {
  await query(
    fresh.database,
    `insert into event (id, trigger_ref, payload) select id, 'demo.tick', '{}' from generate_series(1, 20000) as id`,
  );
  await query(fresh.database, "select setval('event_id_seq', 1, false)");
  let attempts = 0;
  const database: Queryable = {
    query(statement) {
      if (statement.name === "store_batch") attempts += 1;
      return fresh.database.query(statement);
    },
  };
  await using running = await startPipeline(database);

  expect(await running.pipeline.accept(tick({ checkpoint: 1 }))).toMatchObject({ kind: "stored" });

  expect(attempts).toBe(2);
  expect(await countOf("event")).toBe(20_001);
});

test("another event of the same id is not taken for one whose answer was lost", async () => {
  const losses: "before"[] = [];
  await using running = await startPipeline(losingAnswers(fresh.database, "store_batch", losses));
  await running.pipeline.accept(tick({ payload: { n: 0 } }));
  await setBack("event_id_seq", foreignEvents);
  losses.push("before");

  const outcome = await running.pipeline.accept(tick({ payload: { n: 1 } }));

  expect(outcome.kind).toBe("stored");
  expect(await query(fresh.database, "select count(*)::int from event where payload = '{\"n\": 1}'")).toEqual(
    [{ count: 1 }],
  );
});

// Goal: a commit that comes about after it was looked for is still recognised.
// Method: the first statement is carried out between the look and its repetition.
test("an attempt that is committed after it was looked for is stored once", async () => {
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  const late: Query[] = [];
  let isLost = false;
  const database: Queryable = {
    async query(statement) {
      if (statement.name === "store_batch" && !isLost) {
        isLost = true;
        late.push(statement);
        throw new ConnectionError("cut", "unknown");
      }
      const result = await fresh.database.query(statement);
      if (statement.name === "find_events")
        for (const each of late.splice(0)) await fresh.database.query(each);
      return result;
    },
  };
  await using running = await startPipeline(database);

  const outcomes = await Promise.all([1, 2].map((n) => running.pipeline.accept(tick({ payload: { n } }))));

  expect(outcomes.map(({ kind }) => kind)).toEqual(["stored", "stored"]);
  expect(await countOf("event")).toBe(2);
  expect(await countOf("enforcement")).toBe(2);
  expect(new Set(running.sent.map(({ messageId }) => messageId)).size).toBe(4);
});

test("with the broker away, messages are left to a sweeper", async () => {
  await using running = await startPipeline(fresh.database, { publisherInstance: () => null });

  await running.pipeline.accept(tick());

  expect(running.sent).toEqual([]);
  expect(await query(fresh.database, "select routing_key, instance from outbox")).toEqual([
    { routing_key: "event.created", instance: null },
  ]);
});

test("closing stores what was accepted and accepts no more", async () => {
  const running = await startPipeline(fresh.database);
  const accepted = running.pipeline.accept(tick());

  await running[Symbol.asyncDispose]();

  expect((await accepted).kind).toBe("stored");
  await expect(running.pipeline.accept(tick())).rejects.toThrow("stopping");
});

test("the platform's own events have no source, and events are read back newest first", async () => {
  await using running = await startPipeline(fresh.database);
  const generator = new EventGenerator(fresh.database, running.pipeline);

  const older = await generator.generateSystemEvent({ ref: "demo.tick" }, { n: 1 });
  const newer = await generator.generateSystemEvent({ ref: "demo.tick" }, { n: 2 });

  expect(await generator.getEvent(older)).toMatchObject({ payload: { n: 1 }, sourceRef: null });
  const recent = await generator.getRecentEvents("demo.tick", 10);
  expect(recent.map(({ id }) => id)).toEqual([newer, older]);
  await expect(generator.generateSystemEvent({ ref: "demo.none" }, {})).rejects.toThrow("does not exist");
});

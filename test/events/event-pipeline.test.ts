import { afterEach, beforeEach, expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { rowOf } from "../../src/database/statement.ts";
import { readMatchedEvent } from "../../src/database/statements/explained-events.ts";
import { EventGenerator } from "../../src/events/event-generator.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { openRig, openRigOn, type PipelineRig } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

test("in a database that writes dates in another style, an event is stored and read", async () => {
  await using fresh = await freshDatabase();
  const client = await fresh.connect();
  const name = new URL(fresh.url).pathname.slice(1);
  await client.query(`alter database ${name} set datestyle = 'German, DMY'`);
  const database = await openPostgresql({ url: fresh.url, logger: silentLogger });
  await using german = await openRigOn({
    url: fresh.url,
    database,
    connect: () => fresh.connect(),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  });
  await using running = await german.start();
  const occurredAt = "2026-01-02T03:04:05.123456Z";

  const outcome = await running.pipeline.accept(german.tick({ occurredAt }));

  expect(outcome).toMatchObject({ kind: "stored" });
  const id = outcome.kind === "stored" ? outcome.eventId : "";
  expect(await rowOf(database, readMatchedEvent, id)).toMatchObject({
    occurredAt: new Date("2026-01-02T03:04:05.123Z"),
  });
});

test("an event is stored with its enforcement, its owed messages, its checkpoint and a snapshot of the configuration", async () => {
  const ruleId = await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await query(
    rig.database,
    `with noop as (insert into action (ref) values ('core.noop') returning id)
     update rule set action = noop.id from noop`,
  );
  await using running = await rig.start();

  const outcome = await running.pipeline.accept(
    rig.tick({ checkpoint: { offset: 7 }, occurredAt: "2026-01-02T03:04:05.123456Z", dedupKey: "k" }),
  );

  expect(outcome.kind).toBe("stored");
  const [event] = await query(rig.database, "select * from event");
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
      rig.database,
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
  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([
    { value: { offset: 7 } },
  ]);
  const owed = await query<{ message_id: string }>(
    rig.database,
    "select message_id from outbox where body is null order by routing_key desc",
  );
  expect(running.sent.map(({ messageId }) => messageId)).toEqual(owed.map(({ message_id }) => message_id));
  expect(running.sent.map(({ routingKey }) => routingKey)).toEqual(["event.created", "enforcement.created"]);
});

test("events of one source are stored in the order they came, in batches that form by themselves", async () => {
  await using running = await rig.start();

  const outcomes = await Promise.all(
    Array.from({ length: 1_000 }, (_, n) =>
      running.pipeline.accept(rig.tick({ payload: { n }, checkpoint: n })),
    ),
  );

  const ids = outcomes.map((outcome) => (outcome.kind === "stored" ? BigInt(outcome.eventId) : 0n));
  expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)));
  expect(await rig.countOf("event")).toBe(1_000);
  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: 999 }]);
});

test("an event with an existing dedup_key is a duplicate, in one batch and across batches", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await rig.start();

  const first = await running.pipeline.accept(rig.tick({ dedupKey: "same" }));
  const later = await Promise.all([
    running.pipeline.accept(rig.tick({ dedupKey: "same", checkpoint: "c" })),
    running.pipeline.accept(rig.tick({ dedupKey: "other" })),
    running.pipeline.accept(rig.tick({ dedupKey: "other" })),
  ]);

  const eventId = first.kind === "stored" ? first.eventId : "";
  expect(later[0]).toEqual({ kind: "duplicate", eventId });
  expect(later.map(({ kind }) => kind)).toEqual(["duplicate", "stored", "duplicate"]);
  expect(later[2]).toEqual({
    kind: "duplicate",
    eventId: later[1].kind === "stored" ? later[1].eventId : "",
  });
  expect(await rig.countOf("enforcement")).toBe(2);
  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: "c" }]);
  expect(await running.metrics.text()).toContain(
    'attune_sensor_agent_sensor_events_total{sensor_ref="demo.sensor"} 4\n',
  );
});

test("an event that the database cannot hold is refused alone", async () => {
  await query(rig.database, "alter table event add constraint odd check ((payload->>'n')::int <> 13)");
  await using running = await rig.start();

  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, n) => running.pipeline.accept(rig.tick({ payload: { n } }))),
  );

  expect(outcomes.map(({ kind }) => kind).filter((kind) => kind !== "stored")).toEqual(["refused"]);
  expect(outcomes[13]?.kind).toBe("refused");
  expect((await running.pipeline.accept(rig.tick({ payload: { text: "\u0000" } }))).kind).toBe("refused");
  expect((await running.pipeline.accept(rig.tick({ checkpoint: "\ud800" }))).kind).toBe("refused");
});

test("an event for which the table has no partition waits for one, and is not refused", async () => {
  await query(rig.database, "alter table event detach partition event_from_1");
  await query(rig.database, "drop table event_default");
  const { logger, lines } = recordingLogger();
  await using running = await rig.start({ logger });

  const accepted = running.pipeline.accept(rig.tick());
  await expect
    .poll(() => lines.map(({ message }) => message))
    .toContainEqual(expect.stringMatching(/^could not store/));
  await query(rig.database, "select add_partition('event', null, null)");

  expect(await accepted).toMatchObject({ kind: "stored" });
});

test("closing stores what was accepted and accepts no more", async () => {
  const running = await rig.start();
  const accepted = running.pipeline.accept(rig.tick());

  await running[Symbol.asyncDispose]();

  expect((await accepted).kind).toBe("stored");
  await expect(running.pipeline.accept(rig.tick())).rejects.toThrow("stopping");
});

test("the platform's own events have no source, and events are read back newest first", async () => {
  await using running = await rig.start();
  const generator = new EventGenerator(rig.database, running.pipeline);

  const older = await generator.generateSystemEvent({ ref: "demo.tick" }, { n: 1 });
  const newer = await generator.generateSystemEvent({ ref: "demo.tick" }, { n: 2 });

  expect(await generator.getEvent(older)).toMatchObject({ payload: { n: 1 }, sourceRef: null });
  const recent = await generator.getRecentEvents("demo.tick", 10);
  expect(recent.map(({ id }) => id)).toEqual([newer, older]);
  await expect(generator.generateSystemEvent({ ref: "demo.none" }, {})).rejects.toThrow("does not exist");
});

test("the messages of an event are written before anybody hears that it is stored", async () => {
  const steps: string[] = [];
  await using running = await rig.start({
    outlet: {
      send: () => {
        steps.push("sent");
        // As a transport does it that writes at the end of the turn.
        process.nextTick(() => steps.push("written"));
      },
    },
  });

  await running.pipeline.accept(rig.tick()).then(() => steps.push("stored"));

  expect(steps).toEqual(["sent", "written", "stored"]);
});

// Goal: an event that came during a batch of its source does not wait for what nobody is in a hurry for.
test("the next batch of a source is sent before the source hears of the last one", async () => {
  const steps: string[] = [];
  const outcomes: Promise<unknown>[] = [];
  const submit = (name: string): void => {
    outcomes.push(running.pipeline.accept(rig.tick()).then(({ kind }) => steps.push(`${name} ${kind}`)));
  };
  const database: Queryable = {
    query: async (statement) => {
      if (statement.name?.startsWith("store_batch") === true) {
        steps.push("a batch is sent");
        if (outcomes.length === 1) submit("second");
      }
      return await rig.database.query(statement);
    },
  };
  await using running = await rig.start({ database });

  submit("first");
  await expect.poll(() => outcomes.length).toBe(2);
  await Promise.all(outcomes);

  expect(steps).toEqual(["a batch is sent", "a batch is sent", "first stored", "second stored"]);
});

// Goal: neighbours that are in the way cost no time at first, and no processor if they stay.
// Method: a statement that conflicts five times; whether it was paused for is seen in the health, which counts failures.
test("a batch that conflicts with other statements is tried again at once twice, and then after pauses", async () => {
  const failures: string[] = [];
  const database: Queryable = {
    query: async (statement) => {
      if (statement.name?.startsWith("store_batch") !== true || failures.length === 5)
        return await rig.database.query(statement);
      failures.push(running.pipeline.health().detail);
      throw Object.assign(new Error("could not serialize access"), { code: "40001" });
    },
  };
  await using running = await rig.start({ database });

  const outcome = await running.pipeline.accept(rig.tick());

  expect(outcome.kind).toBe("stored");
  expect(failures.map((detail) => /^\d+ attempts in a row/.exec(detail)?.[0])).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    "2 attempts in a row",
  ]);
});

/**
 * Goal: verify finds every kind of defect, and none where there is none; and a repair mends what it says.
 * Method: events go through the real pipeline while rules change; then each defect is planted by SQL, found alone, and undone.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { startApi, type Api } from "../../src/api/server.ts";
import { messageId, type Id } from "../../src/model/identifiers.ts";
import { listOf, objectOf } from "../../src/model/json/json.ts";
import type { EventSource } from "../../src/model/sensors/incoming-event.ts";
import { violationKinds, type ViolationKind } from "../../src/model/verification/violation.ts";
import { openRuleSource, type DatabaseRuleSource } from "../../src/rules/rule-source.ts";
import { verificationOf } from "../../src/service/verification-parts.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { ContinuousVerification } from "../../src/verification/continuous-verification.ts";
import { VerificationReport } from "../../src/verification/verification-report.ts";
import { verify } from "../../src/verification/verify.ts";
import { openRig, type PipelineRig, type RunningPipeline } from "../events/pipeline-rig.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { recordingLogger } from "../support/recording-logger.ts";

let rig: PipelineRig;
let rules: DatabaseRuleSource;
let running: RunningPipeline;
let other: EventSource;
/** What the defects are planted in. */
const known: Record<string, Id> = {};

const unstopped = new AbortController().signal;
const equals = (value: number) => [{ field: "n", operator: "equals", value }];

async function found(isRepairing = false): Promise<VerificationReport> {
  const report = new VerificationReport();
  const { database, installationId } = rig;
  const steps = verify({ database, installationId, report, isRepairing, signal: unstopped }, null);
  for await (const _ of steps);
  return report;
}

function kindsIn(report: VerificationReport): unknown {
  const { found: kinds } = report.json();
  return Array.isArray(kinds)
    ? kinds.map((each: { kind: string; count: number }) => [each.kind, each.count])
    : [];
}

function examplesIn(report: VerificationReport): readonly string[] {
  return listOf(report.json()["found"]).flatMap((each) => listOf(objectOf(each)["examples"]).map(String));
}

/** From docs/verify.md, with what an example in a report names. */
async function documentedStatement(kind: ViolationKind, example: string): Promise<string> {
  const page = await readFile(join(repositoryRoot, "docs/verify.md"), "utf8");
  const [, block = ""] = /```sql\n(.*?)```/s.exec(page) ?? [];
  const statement = block.split(/^-- /m).find((text) => text.split("\n")[0]?.split(", ").includes(kind));
  if (statement === undefined) throw new Error(`no statement for ${kind}`);
  const named: Readonly<Record<string, RegExp>> = {
    enforcement: /enforcement (\d+)/,
    event: /event (\d+)/,
    message: /message (\S+)/,
    sensor: /checkpoint of (\S+)/,
    trigger: /key ".*" of (\S+):/,
    key: /key "(.*)" of/,
  };
  return statement
    .slice(statement.indexOf("\n"))
    .replaceAll(/:('?)(\w+)\1/g, (_, quote: string, name: string) => {
      const [, value] = named[name]?.exec(example) ?? [];
      if (value === undefined) throw new Error(`${example} does not name the ${name}`);
      return `${quote}${value}${quote}`;
    });
}

async function store(change: Parameters<PipelineRig["tick"]>[0] = {}): Promise<Id> {
  const outcome = await running.pipeline.accept(rig.tick(change));
  if (outcome.kind !== "stored") throw new Error(`not stored: ${outcome.kind}`);
  return outcome.eventId;
}

const run = (text: string, ...values: unknown[]): Promise<object[]> => query(rig.database, text, values);

beforeAll(async () => {
  rig = await openRig();
  const { database } = rig;
  await insertTrigger(database, "demo.other");
  const today = Math.floor(Date.now() / 86_400_000);
  await run("select add_partition('event_key', $1, $2)", today - 3, today - 2);
  known["one"] = await insertRule(database, {
    ref: "demo.one",
    triggerRef: "demo.tick",
    conditions: equals(1),
  });
  known["any"] = await insertRule(database, { ref: "demo.any", triggerRef: "demo.tick" });
  known["never"] = await insertRule(database, {
    ref: "demo.never",
    triggerRef: "demo.tick",
    conditions: equals(99),
  });
  await insertRule(database, { ref: "demo.broken", triggerRef: "demo.tick", conditions: { all: 7 } });
  rules = await openRuleSource({
    database,
    intervalMs: 60_000,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  running = await rig.start({ rules });
  other = await rig.addSensor("demo.second");

  known["event"] = await store({ checkpoint: 1 });
  known["keyed"] = await store({ dedupKey: "a", payload: { n: 2 } });
  known["keyedToo"] = await store({ dedupKey: "b", payload: { n: 3 } });
  known["large"] = await store({ payload: { n: 1, text: "x".repeat(200_000) + Math.random() } });
  await store({ triggerInstanceId: "rule_demo.one", payload: { n: 1 } });
  await store({ triggerInstanceId: "rule_demo.one", payload: { n: 5 } });
  // Rules change, and go; what was matched before stays right.
  await run("update rule set conditions = $1 where ref = 'demo.one'", JSON.stringify(equals(2)));
  await store({ payload: { n: 1 } });
  await store({ payload: { n: 2 } });
  await run("update rule set trigger_ref = 'demo.other' where ref = 'demo.one'");
  await store({ payload: { n: 2 } });
  await run("update rule set enabled = false, label = 'x' where ref = 'demo.any'");
  await store({ payload: { n: 2 } });
  await run("update rule set enabled = true, ref = 'demo.renamed' where ref = 'demo.any'");
  await store({ payload: { n: 2 } });
  await run("delete from rule where ref = 'demo.one'");
  known["last"] = await store({ source: other, checkpoint: 1 });
  // Within ten minutes of midnight a key is claimed for both days; the tests count on one row per key.
  await run(`delete from event_key as one
              using event_key as other
              where (one.trigger_ref, one.source_ref, one.dedup_key)
                    = (other.trigger_ref, other.source_ref, other.dedup_key)
                and one.period > other.period`);
  const [enforcement] = await query<{ id: Id }>(
    database,
    "select id from enforcement where event = $1 and rule = $2",
    [known["event"], known["one"]],
  );
  known["enforcement"] = enforcement?.id ?? "";
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

test("nothing is found where rules changed, moved, were renamed and went while events came", async () => {
  const report = await found();
  expect(report.json()).toMatchObject({ violations: 0, unprovable_events: 0, found: [] });
  expect(report.checked).toMatchObject({ events: 12, checkpoints: 2, keys: 2 });
  expect(report.checked.enforcements).toBeGreaterThan(10);
  // With those about the rules themselves.
  expect(report.checked.messages).toBe(await rig.countOf("outbox"));
});

interface Defect {
  readonly kind: ViolationKind;
  readonly plant: () => Promise<unknown>;
  readonly undo: () => Promise<unknown>;
  /** A repair mends it; then there is nothing to undo. */
  readonly isRepairable?: true;
}

const copied = "rule_ref, trigger_ref, event, config, payload, condition, conditions, action, action_ref";

const defects: readonly Defect[] = [
  {
    kind: "enforcement_missing",
    plant: async () => {
      await run("delete from outbox where enforcement = $1", known["enforcement"]);
      await run("delete from enforcement where id = $1", known["enforcement"]);
    },
    undo: async () => undefined,
    isRepairable: true,
  },
  {
    kind: "enforcement_unexpected",
    plant: () =>
      run(
        `insert into enforcement (id, rule, rule_ref, trigger_ref, event)
         values (nextval('enforcement_id_seq'), $1, 'demo.never', 'demo.tick', $2)`,
        known["never"],
        known["event"],
      ),
    undo: () => run("delete from enforcement where rule = $1", known["never"]),
  },
  {
    kind: "enforcement_doubled",
    plant: () =>
      run(
        `insert into enforcement (id, rule, ${copied}) select 0, rule, ${copied} from enforcement
          where event = $1 and rule = $2`,
        known["event"],
        known["any"],
      ),
    undo: () => run("delete from enforcement where id = 0"),
  },
  {
    kind: "enforcement_without_event",
    plant: () =>
      run(
        `insert into enforcement (id, rule, rule_ref, trigger_ref, event)
         values (nextval('enforcement_id_seq'), $1, 'demo.any', 'demo.tick', $2::bigint + 1)`,
        known["any"],
        known["last"],
      ),
    undo: () => run("delete from enforcement where event = $1::bigint + 1", known["last"]),
  },
  {
    kind: "enforcement_of_other_trigger",
    plant: () => run("update enforcement set trigger_ref = 'demo.other' where event = $1", known["last"]),
    undo: () => run("update enforcement set trigger_ref = 'demo.tick' where event = $1", known["last"]),
  },
  {
    kind: "payload_missing",
    plant: async () => {
      await run(
        "insert into event (id, trigger_ref, payload) values (nextval('event_id_seq'), 'demo.other', null)",
      );
      await run(
        `insert into enforcement (id, rule, rule_ref, trigger_ref, event, payload)
         select nextval('enforcement_id_seq'), $1, 'demo.any', 'demo.other', id, null from event where payload is null`,
        known["any"],
      );
    },
    undo: async () => {
      await run("delete from enforcement where trigger_ref = 'demo.other'");
      await run("delete from event where trigger_ref = 'demo.other'");
    },
  },
  {
    kind: "message_without_row",
    plant: async () => {
      const lost = String(BigInt(known["last"] ?? "0") + 1n);
      const text = "insert into outbox (message_id, routing_key, event) values ($1, 'event.created', $2)";
      await run(text, messageId(rig.installationId, "event", lost), lost);
    },
    undo: async () => undefined,
    isRepairable: true,
  },
  {
    kind: "message_wrong",
    plant: () =>
      run(
        "insert into outbox (message_id, routing_key, event) values (gen_random_uuid(), 'event.created', $1)",
        known["event"],
      ),
    undo: () =>
      run(
        "delete from outbox where event = $1 and message_id <> $2",
        known["event"],
        messageId(rig.installationId, "event", known["event"] ?? ""),
      ),
  },
  {
    kind: "checkpoint_ahead",
    plant: () =>
      run("update sensor_checkpoint set event = event + 1000000 where sensor = $1", other.sensorId),
    undo: () => run("update sensor_checkpoint set event = event - 1000000 where sensor = $1", other.sensorId),
  },
  {
    kind: "checkpoint_of_other_sensor",
    plant: () =>
      run("update sensor_checkpoint set event = $1 where sensor = $2", known["event"], other.sensorId),
    undo: () =>
      run("update sensor_checkpoint set event = $1 where sensor = $2", known["last"], other.sensorId),
  },
  {
    kind: "key_without_event",
    plant: () =>
      run(
        `insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
         select trigger_ref, source_ref, 'lost', period, $1::bigint + 1 from event_key where dedup_key = 'a'`,
        known["last"],
      ),
    undo: () => run("delete from event_key where dedup_key = 'lost'"),
  },
  {
    kind: "key_of_other_event",
    plant: () => run("update event_key set event = $1 where dedup_key = 'a'", known["keyedToo"]),
    undo: () => run("update event_key set event = $1 where dedup_key = 'a'", known["keyed"]),
  },
  {
    kind: "event_without_key",
    plant: () => run("delete from event_key where dedup_key = 'b'"),
    undo: async () => undefined,
    isRepairable: true,
  },
  {
    kind: "revision_ahead",
    plant: () =>
      run(
        `insert into event (id, trigger_ref, payload, matched_revision)
         select nextval('event_id_seq'), 'demo.other', '{}', value + 1 from rule_revision`,
      ),
    undo: () => run("delete from event where trigger_ref = 'demo.other'"),
  },
  {
    kind: "id_beyond_sequence",
    plant: () =>
      run(
        `insert into event (id, trigger_ref, payload)
         values (pg_sequence_last_value('event_id_seq') + 1000, 'demo.other', '{}')`,
      ),
    undo: () => run("delete from event where trigger_ref = 'demo.other'"),
    isRepairable: true,
  },
];

test("a key that was claimed for two days counts once", async () => {
  await run(
    `insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
     select trigger_ref, source_ref, dedup_key, period + 1, event from event_key where dedup_key = 'a'
         on conflict do nothing`,
  );
  const { checked, violationCount } = await found();

  expect({ keys: checked.keys, violationCount }).toEqual({ keys: 2, violationCount: 0 });
});

describe("a planted defect is found, and nothing else", () => {
  test("there is one of every kind", () => {
    expect(defects.map(({ kind }) => kind)).toEqual(Object.keys(violationKinds));
  });

  test.each(defects)("$kind", async ({ kind, plant, undo, isRepairable }) => {
    await plant();

    expect(kindsIn(await found())).toEqual([[kind, 1]]);

    if (isRepairable === true) {
      const repaired = await found(true);
      expect([repaired.violationCount, repaired.leftCount]).toEqual([1, 0]);
      expect((await found()).violationCount).toBe(0);
    }
    await undo();
    expect((await found()).violationCount).toBe(0);
  });

  test.each(defects.filter(({ isRepairable }) => isRepairable !== true))(
    "$kind: the documented statement and a repair end it",
    async ({ kind, plant, undo }) => {
      const [checkpoint] = await run(
        "select to_jsonb(sensor_checkpoint) as row from sensor_checkpoint where sensor = $1",
        other.sensorId,
      );
      await plant();
      const [example = ""] = examplesIn(await found());

      await run(await documentedStatement(kind, example));
      await found(true);

      expect((await found()).violationCount).toBe(0);
      if (kind.startsWith("checkpoint_")) {
        await run(
          "insert into sensor_checkpoint select (jsonb_populate_record(null::sensor_checkpoint, $1)).*",
          checkpoint === undefined ? null : Reflect.get(checkpoint, "row"),
        );
      } else {
        await undo();
        await found(true);
      }
      expect((await found()).violationCount).toBe(0);
    },
  );

  test("a repaired enforcement is what the rule of that time demanded, with its message", async () => {
    const [repaired] = await query<{ id: Id }>(
      rig.database,
      "select id, rule_ref, trigger_ref, action_ref, payload from enforcement where event = $1 and rule = $2",
      [known["event"], known["one"]],
    );
    expect(repaired).toMatchObject({ rule_ref: "demo.one", action_ref: "core.noop", payload: { n: 1 } });
    expect(await run("select routing_key from outbox where enforcement = $1", repaired?.id)).toEqual([
      { routing_key: "enforcement.created" },
    ]);
  });
});

test("an enforcement that a replay added goes by later rules, and is no defect", async () => {
  await run(
    `insert into enforcement (id, rule, rule_ref, trigger_ref, event, replayed_from)
     values (nextval('enforcement_id_seq'), $1, 'demo.never', 'demo.tick', $2, $2)`,
    known["never"],
    known["event"],
  );
  expect((await found()).violationCount).toBe(0);
});

test("an event from before the history of rules counts as not provable", async () => {
  await run(
    "insert into event (id, trigger_ref, payload) values (nextval('event_id_seq'), 'demo.tick', '{\"n\": 1}')",
  );
  expect((await found()).json()).toMatchObject({ violations: 0, unprovable_events: 1 });
  await run("delete from event where matched_revision is null");
});

test("enforcements outlive the events that retention has dropped", async () => {
  await run(
    `insert into enforcement (id, rule, rule_ref, trigger_ref, event)
     values (nextval('enforcement_id_seq'), $1, 'demo.any', 'demo.tick', 0)`,
    known["any"],
  );
  expect((await found()).violationCount).toBe(0);
});

test("one agent looks at some rows now and then, and counts each violation once", async () => {
  await run("update enforcement set trigger_ref = 'demo.other' where event = $1", known["last"]);
  const counted: string[] = [];
  const { logger, lines } = recordingLogger();
  const { database, installationId } = rig;
  const continuous = new ContinuousVerification({
    database,
    installationId,
    metrics: { invariantViolated: (kind) => counted.push(kind) },
    logger,
    clock: systemClock,
    random: () => 0,
  });
  for (let step = 0; step < 3; step += 1) await continuous.step(unstopped);
  await continuous.run(AbortSignal.abort());
  await run("update enforcement set trigger_ref = 'demo.tick' where event = $1", known["last"]);

  expect(counted).toEqual(["enforcement_of_other_trigger"]);
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ["error", expect.stringContaining("stored rows contradict each other: enforcement ")],
  ]);
});

test("the API verifies for admins, tells the progress and repairs on request", async () => {
  await using api: Api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    logger: silentLogger,
    platform: {
      authenticate: async (token) => {
        const common = { identityId: "1", login: "ada", jti: null, expiresAtMs: Number.POSITIVE_INFINITY };
        return token === "admin" || token === "viewer" ? { ...common, role: token } : undefined;
      },
      resources: {} as never,
      verify: {
        verification: verificationOf(rig.database, rig.installationId),
        clock: systemClock,
        logger: silentLogger,
      },
    },
  });
  const post = (body: object, token = "admin"): Promise<Response> =>
    fetch(`${api.address}/api/v1/verify`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  expect((await post({}, "viewer")).status).toBe(403);
  expect((await post({ since: "yesterday" })).status).toBe(422);
  expect(await (await post({ since: "2100-01-01T00:00:00Z" })).json()).toMatchObject({
    details: [{ parameter: "since", problem: "is in the future" }],
  });
  await run("delete from event_key where dedup_key = 'b'");
  const answer = await post({ since: "24h", repair: true });
  expect(JSON.parse(await answer.text())).toMatchObject({
    done: {
      violations: 1,
      repaired: 1,
      found: [
        {
          kind: "event_without_key",
          meaning: "event whose dedup key is not remembered, so that it would be stored again",
          count: 1,
          repaired: 1,
          remedy: null,
        },
      ],
    },
  });
  expect(JSON.parse(await (await post({})).text())).toMatchObject({ done: { violations: 0 } });
});

/** What agents learn of payloads, in a real database: written, added up, compared, reported. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { objectOf, listOf, type JsonObject } from "../../src/model/json/json.ts";
import { MemoryKeeper } from "../../src/schema-memory/memory-keeper.ts";
import { PayloadSampler } from "../../src/schema-memory/payload-sampler.ts";
import { systemClock } from "../../src/time/clock.ts";
import { differencesFromCoreSchema } from "../support/core-trigger.ts";
import { apiOn, type DefinitionsApi } from "../support/definitions-api.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

let fresh: FreshDatabase;
let api: DefinitionsApi;
beforeAll(async () => {
  fresh = await freshDatabase();
  api = await apiOn(fresh.database);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await fresh[Symbol.asyncDispose]();
});

const stopped = new AbortController().signal;

function sampler(): PayloadSampler {
  const { logger } = recordingLogger();
  return new PayloadSampler({
    database: fresh.database,
    isHidden: () => false,
    logger,
    clock: systemClock,
    random: Math.random,
  });
}

/** As an agent that stores so many events. */
async function learn(triggerRef: string, payload: JsonObject, count: number): Promise<void> {
  const one = sampler();
  for (let n = 0; n < count; n += 1) one.note(triggerRef, payload, 100);
  await one.settled();
  await one.write();
}

async function keep() {
  const alerts: { payload: JsonObject; key: string }[] = [];
  const drifted: string[] = [];
  const { logger, lines } = recordingLogger();
  const keeper = new MemoryKeeper({
    database: fresh.database,
    alert: async (payload, key) => void alerts.push({ payload, key }),
    metrics: { payloadsDrifted: (triggerRef) => drifted.push(triggerRef) },
    logger,
    clock: systemClock,
    random: Math.random,
  });
  await keeper.step(stopped);
  await keeper.run(AbortSignal.abort());
  return { alerts, drifted, lines };
}

const shown = async (ref: string): Promise<JsonObject> =>
  (await api.demand(200, "GET", `/triggers/${ref}/schema-memory`)).data;

test("two agents' samples add up, and a change of type is reported once: log, metric and alert", async () => {
  await insertTrigger(fresh.database, "demo.login");
  await query(
    fresh.database,
    `update trigger set out_schema = '{"type": "object", "properties": {"user": {"type": "object",
       "properties": {"id": {"type": "integer"}}}}}' where ref = 'demo.login'`,
  );
  const conditions = [{ field: "user.id", operator: "equals", value: 7 }];
  for (const ref of ["demo.a", "demo.b"])
    await insertRule(fresh.database, { ref, triggerRef: "demo.login", conditions });
  expect(await shown("demo.login")).toMatchObject({ samples: 0, fields: [] });

  await Promise.all([
    learn("demo.login", { user: { id: 7 } }, 20),
    learn("demo.login", { user: { id: 8 } }, 20),
  ]);
  expect(await shown("demo.login")).toMatchObject({ samples: 40 });
  expect(await keep()).toMatchObject({ alerts: [], drifted: [] });
  expect(await shown("demo.login")).toMatchObject({ samples: 40, differences: [], drifts: [] });
  expect(await query(fresh.database, "select from schema_sample")).toEqual([]);

  await learn("demo.login", { user: { id: "7" } }, 3);
  const { alerts, drifted, lines } = await keep();
  expect(drifted).toEqual(["demo.login"]);
  expect(alerts.map(({ payload }) => payload)).toMatchObject([
    {
      type: "payload_drift",
      trigger_ref: "demo.login",
      path: "user.id",
      change: "turned",
      from: ["number"],
      to: "string",
      rules: ["demo.a", "demo.b"],
    },
  ]);
  expect(alerts.flatMap(({ payload }) => differencesFromCoreSchema("alert", payload))).toEqual([]);
  expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /^payloads of demo\.login: `user\.id` turned from number to text at \d\d:\d\d, in 2 rules \(demo\.a, demo\.b\); the trigger's out_schema says otherwise$/,
    ),
  ]);
  await learn("demo.login", { user: { id: "7" } }, 3);
  expect((await keep()).alerts).toEqual([]);

  const memory = await shown("demo.login");
  expect(memory).toMatchObject({
    samples: 46,
    differences: [{ kind: "type", path: "user.id" }],
    drifts: [{ kind: "type", path: "user.id", turned: true }],
    suggested_schema: {
      required: ["user"],
      properties: { user: { properties: { id: { type: ["string", "integer"] } } } },
    },
  });
  const field = objectOf(listOf(memory["fields"]).find((each) => objectOf(each)["path"] === "user.id"));
  expect(new Set(listOf(field["examples"]))).toEqual(new Set([7, 8, "7"]));
});

test("the same change gets the same key, so that its alert is stored once, also after a crash", async () => {
  await insertTrigger(fresh.database, "demo.crash");
  await learn("demo.crash", { n: 1 }, 30);
  await keep();
  await learn("demo.crash", { n: "1" }, 1);
  // The crash comes before the samples are added.
  const samples = await query(fresh.database, "select trigger_ref, content from schema_sample");
  const before = await query(
    fresh.database,
    "select content, drifts from schema_memory where trigger_ref = 'demo.crash'",
  );
  const [first] = (await keep()).alerts;
  await query(
    fresh.database,
    "update schema_memory set content = $1, drifts = $2 where trigger_ref = 'demo.crash'",
    before.flatMap((row) => Object.values(row).map((value) => JSON.stringify(value))),
  );
  for (const sample of samples)
    await query(
      fresh.database,
      "insert into schema_sample (trigger_ref, content) values ($1, $2)",
      Object.values(sample).map((value) => (typeof value === "string" ? value : JSON.stringify(value))),
    );
  const [second] = (await keep()).alerts;
  expect(first?.key).toMatch(/^payload_drift:demo\.crash:n:string:/);
  expect(second?.key).toBe(first?.key);
});

test("alerts are not learned from, and a flood of events costs a bounded number of samples", async () => {
  const one = sampler();
  for (let n = 0; n < 10_000; n += 1) {
    one.note("core.alert", { type: "payload_drift" }, 100);
    one.note("demo.flood", { n }, 100);
  }
  await one.settled();
  await one.write();
  const rows = await query<{ trigger_ref: string; content: { samples: number } }>(
    fresh.database,
    "select trigger_ref, content from schema_sample",
  );
  expect(rows.map(({ trigger_ref }) => trigger_ref)).toEqual(["demo.flood"]);
  expect(Number(rows[0]?.content.samples)).toBeLessThan(100);
});

test("many changes at once are counted, and only some are reported one by one", async () => {
  await insertTrigger(fresh.database, "demo.many");
  const with_ = (value: number | string): JsonObject =>
    Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f${n}`, value]));
  await learn("demo.many", with_(1), 30);
  await keep();
  await learn("demo.many", with_("1"), 5);
  const { alerts, drifted, lines } = await keep();
  expect(drifted).toHaveLength(30);
  expect(alerts).toHaveLength(10);
  expect(lines.at(-1)?.message).toBe(
    "payloads of demo.many changed in 20 more ways; see triggers schema demo.many",
  );
});

test("the memory of a trigger goes with it", async () => {
  await learn("demo.gone", { n: 1 }, 1);
  await keep();
  expect(await query(fresh.database, "select from schema_memory where trigger_ref = 'demo.gone'")).toEqual(
    [],
  );
});

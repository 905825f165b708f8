/**
 * What docs/sensor-protocol.md says, asked with the token of a running sensor: its environment, and the answers of the agent.
 * 409 is in takeover.test.ts, 503 and 504 in test/api/event-post-faults.test.ts, the close codes in test/api/websocket/.
 */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { query } from "../support/platform-rows.ts";
import { subscriberAt } from "../support/rule-subscriber.ts";
import { nativeTicker, soon } from "./native-ticker.ts";

let ticker: Awaited<ReturnType<typeof nativeTicker>>;
let environment: Readonly<Record<string, string>>;

beforeAll(async () => {
  // It ticks never, so that no checkpoint but this file's is stored.
  ticker = await nativeTicker({ config: { note: "x".repeat(110_000) }, seconds: 1_000_000 });
  const { pid } = await ticker.process();
  environment = Object.fromEntries(
    (await readFile(`/proc/${pid}/environ`, "utf8"))
      .split("\0")
      .map((entry) => /^([^=]+)=(.*)$/s.exec(entry)?.slice(1) ?? []),
  ) as Record<string, string>;
}, 180_000);

afterAll(async () => ticker[Symbol.asyncDispose]());

test("the environment has what the page lists", async () => {
  const { database, folder } = ticker;
  const [sensor] = await query<{ id: string }>(
    database,
    "select id::text from sensor where ref = 'native.ticker'",
  );
  const [rule] = await query<{ id: string }>(database, "select id::text from rule");
  expect(environment).toMatchObject({
    ATTUNE_SENSOR_REF: "native.ticker",
    ATTUNE_SENSOR_ID: sensor?.id,
    ATTUNE_PACK_REF: "native",
    ATTUNE_SENSOR_TRIGGER_TYPES: '["native.tick"]',
    ATTUNE_LOG_LEVEL: "info",
    ATTUNE_API_URL: folder.apiUrl,
    ATTUNE_NOTIFIER_WS_URL: `${folder.apiUrl.replace("http", "ws")}/ws`,
    ATTUNE_API_TOKEN_EXPIRES_AT: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  });
  expect(environment).not.toHaveProperty("ATTUNE_SENSOR_CHECKPOINT");
  expect(JSON.parse(environment["ATTUNE_SENSOR_TRIGGERS"] ?? "")).toEqual([
    expect.objectContaining({
      id: Number(rule?.id),
      ref: "native.slow",
      trigger_ref: "native.tick",
      trigger_params: { seconds: 1_000_000 },
    }),
  ]);
  // Its value is too large for a variable.
  expect(environment).not.toHaveProperty("ATTUNE_SENSOR_CONFIG_JSON");
  const config = JSON.parse(await readFile(environment["ATTUNE_SENSOR_CONFIG_JSON_FILE"] ?? "", "utf8"));
  expect(config).toEqual({ note: "x".repeat(110_000) });
  const state = JSON.parse(await readFile(environment["ATTUNE_SENSOR_TOKEN_STATE_PATH"] ?? "", "utf8"));
  expect(state).toEqual({
    token: environment["ATTUNE_API_TOKEN"],
    expires_at: environment["ATTUNE_API_TOKEN_EXPIRES_AT"],
  });
});

const tick = { trigger_ref: "native.tick", payload: { celsius: 31.5 } };

test.each([
  { name: "an event", body: tick, status: 201 },
  { name: "an event with keys that nobody knows", body: { ...tick, colour: "red" }, status: 201 },
  { name: "an event without a trigger", body: { payload: {} }, status: 422 },
  { name: "a trigger of another sensor", body: { trigger_ref: "native.foreign" }, status: 403 },
  { name: "a dedup_key that is too long", body: { ...tick, dedup_key: "k".repeat(2_001) }, status: 422 },
  { name: "a time that is none", body: { ...tick, occurred_at: "yesterday" }, status: 422 },
  { name: "text that is not JSON", body: "{", status: 400 },
  { name: "a body above 4 MiB", body: { ...tick, payload: { text: "x".repeat(4_194_304) } }, status: 413 },
  { name: "a batch above 1,000 events", body: Array.from({ length: 1_001 }, () => tick), status: 422 },
  { name: "a checkpoint alone", body: { checkpoint: 3 }, status: 200 },
  { name: "a token that is not valid", body: tick, token: "none", status: 401 },
])("$name is answered $status", async ({ body, token, status }) => {
  const answer = await request("POST", "/events", body, token);

  expect(answer.status).toBe(status);
  if (status >= 400)
    expect(answer.body).toMatchObject({ error: expect.any(String), code: expect.any(String) });
});

test("a repeated event is answered with the id of the first, and its checkpoint is stored", async () => {
  const event = { ...tick, dedup_key: "again", checkpoint: 4 };
  const first = await request("POST", "/events", event);
  expect(first).toMatchObject({ status: 201, body: { data: { id: expect.any(Number) } } });
  const { id } = (first.body as { data: { id: number } }).data;

  const second = await request("POST", "/events", { ...event, checkpoint: 5 });

  expect(second).toMatchObject({ status: 200, body: { data: { id, deduplicated: true } } });
  expect(await checkpoint()).toBe(5);
});

test("an event that can never be stored is past, with its checkpoint; a foreign one is not", async () => {
  await query(
    ticker.database,
    "insert into trigger (ref, label, enabled) values ('native.off', 'off', false)",
  );
  await request("POST", "/events", { checkpoint: 6 });
  const unusable = await request("POST", "/events", {
    trigger_ref: "native.tick",
    payload: { text: "\0" },
    checkpoint: 7,
  });
  expect(unusable.status).toBe(422);
  expect(await checkpoint()).toBe(7);

  await request("POST", "/events", { trigger_ref: "native.foreign", checkpoint: 8 });

  expect(await checkpoint()).toBe(7);
});

test("a batch has one outcome each, in order", async () => {
  const answer = await request("POST", "/events", [
    tick,
    { ...tick, dedup_key: "again" },
    { trigger_ref: "native.foreign" },
  ]);

  expect(answer).toMatchObject({
    status: 207,
    body: {
      data: [
        { status: 201, id: expect.any(Number) },
        { status: 200, deduplicated: true },
        { status: 403, error: expect.any(String) },
      ],
    },
  });
});

test("the rules of its triggers are listed, those of others are not", async () => {
  await ticker.addRule("native.other", 1_000_000);
  await query(ticker.database, "update rule set enabled = false where ref = 'native.other'");

  const listed = await request("GET", "/triggers/native.tick/rules");

  expect(listed).toMatchObject({
    status: 200,
    body: {
      data: [
        { ref: "native.slow", trigger_params: { seconds: 1_000_000 }, enabled: true },
        { id: expect.any(Number), ref: "native.other", enabled: false },
      ],
    },
  });
  expect((await request("GET", "/triggers/native.foreign/rules")).status).toBe(403);
});

test("a token is renewed, and the old one stays valid", async () => {
  const renewed = await request("POST", "/auth/refresh");

  expect(renewed).toMatchObject({
    status: 200,
    body: { token: expect.any(String), expires_at: expect.any(String) },
  });
  const { token } = renewed.body as { token: string };
  expect((await request("POST", "/events", tick, token)).status).toBe(201);
  expect((await request("POST", "/events", tick)).status).toBe(201);
});

test("over the WebSocket come a welcome, each rule's state, deletions of before, and errors", async () => {
  await ticker.addRule("native.gone", 1_000_000);
  await query(ticker.database, "delete from rule where ref = 'native.gone'");
  await using subscriber = await subscriberAt(ticker.folder.apiUrl, environment["ATTUNE_API_TOKEN"] ?? "");

  subscriber.subscribe("native.tick");
  subscriber.subscribe("native.foreign");
  subscriber.say({ type: "ping" });

  await expect
    .poll(() => subscriber.told().join(), soon)
    .toMatch(/rule.deleted native.gone.*rule.updated native.slow/);
  await expect
    .poll(() => subscriber.frames.map(({ type }) => type), soon)
    .toEqual(expect.arrayContaining(["welcome", "error", "pong", "notification"]));
  expect(subscriber.frames[0]?.type).toBe("welcome");
  const slow = subscriber.frames.find(({ payload }) => payload?.rule_ref === "native.slow");
  expect(slow).toMatchObject({
    entity_type: "rule_lifecycle",
    payload: { trigger_ref: "native.tick", trigger_params: { seconds: 1_000_000 }, active: true },
  });
  await expect(subscriberAt(ticker.folder.apiUrl, "none")).rejects.toThrow("401");
});

async function checkpoint(): Promise<unknown> {
  const [row] = await query<{ value: unknown }>(ticker.database, "select value from sensor_checkpoint");
  return row?.value;
}

async function request(
  method: string,
  path: string,
  body?: unknown,
  token = environment["ATTUNE_API_TOKEN"] ?? "",
): Promise<{ readonly status: number; readonly body: unknown }> {
  const answer = await fetch(`${ticker.folder.apiUrl}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.json() };
}

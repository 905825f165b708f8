/** Rules over WebSocket: real sockets, a real database, and clients that shake hands as existing ones do. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { openAuthority } from "../../support/certificates.ts";
import { query } from "../../support/platform-rows.ts";
import { admin, notifyingApi, sensorCaller, type NotifyingApi } from "../../support/notifying-api.ts";
import { refusedHandshake, subscriberAt } from "../../support/rule-subscriber.ts";
import { backUpSchema, restoreSchema } from "../../support/schema-backup.ts";

const soon = { timeout: 10_000, interval: 5 };

const insertRules = `insert into rule (ref, action_ref, trigger_ref, trigger_params, enabled) values`;

async function withRules(options: Parameters<typeof notifyingApi>[0] = {}): Promise<NotifyingApi> {
  const served = await notifyingApi(options);
  await query(
    served.fresh.database,
    `insert into trigger (ref) values ('demo.tick'), ('demo.other');
     ${insertRules} ('demo.on', 'a', 'demo.tick', '{"n": 1.50}', true), ('demo.off', 'a', 'demo.tick', '{}', false)`,
  );
  return served;
}

test("a sensor is welcomed, learns the state of its rules, and then every change", async () => {
  await using served = await withRules();
  await using sensor = await subscriberAt(served.api.address, "admin");

  sensor.subscribe("demo.tick");

  const state = ["rule.updated demo.on active", "rule.updated demo.off"];
  await expect.poll(sensor.told, soon).toEqual(state);
  expect(sensor.frames[0]).toEqual({
    type: "welcome",
    client_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    message: expect.any(String),
  });
  const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(sensor.frames[1]).toEqual({
    type: "notification",
    notification_type: "rule_lifecycle_changed",
    entity_type: "rule_lifecycle",
    entity_id: expect.any(Number),
    payload: {
      event_type: "rule.updated",
      rule_id: expect.any(Number),
      rule_ref: "demo.on",
      trigger_ref: "demo.tick",
      trigger_params: { n: 1.5 },
      active: true,
      timestamp: instant,
    },
    timestamp: instant,
  });

  await query(served.fresh.database, `update rule set trigger_params = '{"n": 2}' where ref = 'demo.on'`);
  await query(served.fresh.database, "delete from rule where ref = 'demo.on'");

  await expect
    .poll(sensor.told, soon)
    .toEqual([
      ...state,
      "rule.enabled demo.on active",
      "rule.updated demo.on active",
      "rule.deleted demo.on",
    ]);
});

test("a number of a rule's parameters keeps its digits", async () => {
  await using served = await withRules();
  await query(
    served.fresh.database,
    `update rule set trigger_params = '{"n": 12345678901234567890.10}' where ref = 'demo.on'`,
  );
  await using sensor = await subscriberAt(served.api.address, "admin");
  const texts: string[] = [];
  sensor.socket.on("message", (data: Buffer) => texts.push(data.toString()));

  sensor.subscribe("demo.tick");

  await expect.poll(() => texts.join(), soon).toContain(`"trigger_params":{"n": 12345678901234567890.10}`);
});

test("a sensor that moves a rule between its triggers stops it there before it starts it here", async () => {
  await using served = await withRules();
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  sensor.subscribe("demo.other");
  await expect.poll(() => sensor.told().length, soon).toBe(2);
  sensor.forget();

  await query(served.fresh.database, "update rule set trigger_ref = 'demo.other' where ref = 'demo.on'");

  await expect
    .poll(() => sensor.frames.map(({ payload }) => `${payload?.event_type} ${payload?.trigger_ref}`), soon)
    .toEqual(["rule.disabled demo.tick", "rule.enabled demo.other"]);
});

test("a sensor that comes back learns which rules are gone", async () => {
  await using served = await withRules();
  await query(
    served.fresh.database,
    `${insertRules} ('demo.moving', 'a', 'demo.tick', '{}', true), ('demo.back', 'a', 'demo.tick', '{}', true);
     delete from rule where ref = 'demo.on';
     update rule set trigger_ref = 'demo.other' where ref in ('demo.moving', 'demo.back');
     update rule set trigger_ref = 'demo.tick' where ref = 'demo.back'`,
  );
  await using sensor = await subscriberAt(served.api.address, "admin");

  sensor.subscribe("demo.tick");

  await expect
    .poll(sensor.told, soon)
    .toEqual([
      "rule.deleted demo.on",
      "rule.disabled demo.moving",
      "rule.updated demo.off",
      "rule.updated demo.back active",
    ]);
});

test("a sensor that follows again learns the state again, and one that stopped following learns nothing", async () => {
  await using served = await withRules();
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  sensor.subscribe("demo.tick");
  await expect.poll(() => sensor.told().length, soon).toBeGreaterThanOrEqual(2);
  sensor.say({ type: "unsubscribe", filter: "trigger_ref:demo.tick" });
  sensor.subscribe("demo.other");
  await query(served.fresh.database, `${insertRules} ('demo.marker', 'a', 'demo.other', '{}', true)`);
  await expect.poll(sensor.told, soon).toContainEqual(expect.stringContaining("demo.marker"));
  sensor.forget();

  await query(served.fresh.database, "update rule set label = 'x' where ref = 'demo.on'");
  await query(served.fresh.database, "update rule set label = 'x' where ref = 'demo.marker'");

  await expect.poll(sensor.told, soon).toEqual(["rule.updated demo.marker active"]);
});

test("a sensor follows the triggers of its token only, and is told so in the words that it knows", async () => {
  await using served = await withRules();
  served.callers.set("sensor", sensorCaller(["demo.tick"]));
  await using sensor = await subscriberAt(served.api.address, "sensor");

  sensor.subscribe("demo.other");
  sensor.subscribe("demo.tick");

  const refusal = { type: "error", message: "Unauthorized to subscribe to requested filter" };
  await expect.poll(() => sensor.frames.slice(1, 2), soon).toEqual([refusal]);
  await expect.poll(() => sensor.told().length, soon).toBe(2);
});

test("a ping is answered, and a message that cannot be used is named", async () => {
  await using served = await withRules();
  await using sensor = await subscriberAt(served.api.address, "admin");

  sensor.say({ type: "ping" });
  sensor.socket.send("no JSON");
  sensor.socket.send(Buffer.from([0xff, 0x00]));
  sensor.say({ type: "dance" });
  sensor.say({ type: "subscribe" });
  sensor.say({ type: "subscribe", filter: "all" });
  sensor.say({ type: "subscribe", filter: "trigger_ref:" });

  await expect
    .poll(() => sensor.frames.slice(1).map(({ type, message }) => [type, message]), soon)
    .toEqual([
      ["pong", undefined],
      ["error", "Invalid message: a message is a JSON object"],
      ["error", "Invalid message: a message is a JSON object"],
      ["error", "Invalid message: the type of a message is subscribe, unsubscribe or ping"],
      ["error", "Invalid message: a message of type subscribe has a filter"],
      ["error", "Invalid message: a filter has the form trigger_ref:<ref>"],
      ["error", "Invalid message: a filter has the form trigger_ref:<ref>"],
    ]);
});

// The newer timer offers attune.v1 and fails unless it is selected, the Python SDK offers nothing
// and sends an Origin, browsers have no other place for the token.
test.each([
  {
    client: "newer timer",
    headers: { authorization: "Bearer admin" },
    protocols: ["attune.v1", "attune.jwt.admin"],
    selected: "attune.v1",
  },
  {
    client: "Python SDK",
    headers: { authorization: "Bearer admin", origin: "http://elsewhere.test" },
    protocols: [],
    selected: "",
  },
  {
    client: "browser",
    headers: { origin: "http://elsewhere.test" },
    protocols: ["attune.v1", "attune.jwt.admin"],
    selected: "attune.v1",
  },
])("the handshake of the $client succeeds, on both paths", async ({ headers, protocols, selected }) => {
  await using served = await withRules();
  for (const path of ["/ws", "/api/v1/ws?x=1"]) {
    await using sensor = await subscriberAt(served.api.address, "", { headers, protocols, path });

    expect(sensor.socket.protocol).toBe(selected);
    sensor.subscribe("demo.tick");
    await expect.poll(() => sensor.told().length, soon).toBe(2);
  }
});

test("a token that is missing or not valid is refused before the handshake", async () => {
  await using served = await withRules();
  const url = `${served.api.address}/ws`;
  const refused = {
    status: 401,
    body: { error: expect.any(String), code: "UNAUTHORIZED" },
  };

  expect(await refusedHandshake(url, {})).toEqual(refused);
  expect(await refusedHandshake(url, { authorization: "Bearer forged" })).toEqual(refused);
  expect(await refusedHandshake(url, { authorization: "Basic admin" })).toEqual(refused);
  expect(await refusedHandshake(url, {}, ["attune.v1"])).toEqual(refused);
  expect(await refusedHandshake(url, {}, ["attune.v1", "attune.jwt.forged"])).toEqual(refused);
});

test("while tokens cannot be verified, and when too many are connected, the answer is 503", async () => {
  let isAway = true;
  await using served = await withRules({
    clientsMax: 1,
    authenticate: async () => {
      if (isAway) throw new Error("the database is away");
      return admin;
    },
  });
  const url = `${served.api.address}/ws`;
  const headers = { authorization: "Bearer x" };
  const unavailable = { status: 503, body: { error: expect.any(String), code: "UNAVAILABLE" } };

  expect(await refusedHandshake(url, headers)).toEqual(unavailable);
  isAway = false;
  await using _first = await subscriberAt(served.api.address, "x");
  expect(await refusedHandshake(url, headers)).toEqual(unavailable);
});

test("one caller has a bounded number of connections, and others still get theirs", async () => {
  await using served = await withRules({ clientsPerCallerMax: 2 });
  served.callers.set("sensor", sensorCaller(["demo.tick"]));
  const url = `${served.api.address}/ws`;
  await using first = await subscriberAt(served.api.address, "sensor");
  await using _second = await subscriberAt(served.api.address, "sensor");

  const error = "sensor:demo.sensor has 2 connections already.";
  expect(await refusedHandshake(url, { authorization: "Bearer sensor" })).toEqual({
    status: 429,
    body: { error, code: "TOO_MANY_REQUESTS" },
  });
  await using _other = await subscriberAt(served.api.address, "admin");
  await first[Symbol.asyncDispose]();
  await expect.poll(() => served.notifications.count, soon).toBe(2);
  await using _third = await subscriberAt(served.api.address, "sensor");
});

test("a handshake that is none is refused in the API's form, and other upgrades are answered over HTTP", async () => {
  await using served = await withRules();
  const ask = async (lines: readonly string[]): Promise<string> => {
    const { hostname, port } = new URL(served.api.address);
    const socket = connect(Number(port), hostname);
    socket.end([...lines, `host: ${hostname}`, "", ""].join("\r\n"));
    let answer = "";
    socket.on("data", (data) => (answer += String(data)));
    await once(socket, "close");
    return answer;
  };

  const noKey = await ask([
    "GET /ws HTTP/1.1",
    "connection: Upgrade",
    "upgrade: websocket",
    "authorization: Bearer admin",
    "sec-websocket-version: 13",
  ]);
  expect(noKey).toMatch(/^HTTP\/1\.1 400 /);
  expect(noKey).toContain(`"code":"BAD_REQUEST"`);
  const other = await ask(["GET /health/live HTTP/1.1", "connection: Upgrade, close", "upgrade: h2c"]);
  expect(other).toMatch(/^HTTP\/1\.1 200 /);
});

test("a token that expires or is revoked ends the connection with 4401", async () => {
  await using served = await withRules();
  served.callers.set("short", sensorCaller(["demo.tick"], Date.now() + 500));
  served.callers.set("revoked", sensorCaller(["demo.tick"]));
  await using short = await subscriberAt(served.api.address, "short");
  await using revoked = await subscriberAt(served.api.address, "revoked");
  await using kept = await subscriberAt(served.api.address, "admin");

  served.callers.delete("revoked");
  await query(
    served.fresh.database,
    "insert into revoked_token (jti, expires_at) values ('x', now() + interval '1 hour')",
  );

  expect(await revoked.closed).toBe(4401);
  expect(await short.closed).toBe(4401);
  kept.say({ type: "ping" });
  await expect.poll(() => kept.frames.at(-1)?.type, soon).toBe("pong");
  await expect.poll(() => served.disconnections, soon).toEqual(["unauthorized", "unauthorized"]);
});

// Goal: a token that is revoked while its bearer is being admitted ends as soon as any other.
// Method: the revocation is announced right after the token was found valid, when nobody is connected yet.
test("a token that is revoked during the handshake ends the connection", async () => {
  let checks = 0;
  await using served = await withRules({
    pingIntervalMs: 3_600_000,
    authenticate: async () => {
      checks += 1;
      if (checks > 1) return undefined;
      queueMicrotask(() => served.notifications.wake());
      return sensorCaller(["demo.tick"]);
    },
  });
  await using revoked = await subscriberAt(served.api.address, "revoked");

  expect(await revoked.closed).toBe(4401);
});

test("a change whose notification is missed is told with the next one", async () => {
  await using served = await withRules({ isWoken: false });
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  await expect.poll(() => sensor.told().length, soon).toBe(2);
  sensor.forget();

  // The first transaction has the lower numbers and commits last, after a reading.
  const early = await served.fresh.connect();
  await early.query("begin; update rule set enabled = false where ref = 'demo.on'");
  await query(served.fresh.database, "update rule set enabled = true where ref = 'demo.off'");
  served.feed.wake();
  await expect.poll(sensor.told, soon).toEqual(["rule.enabled demo.off active"]);
  await early.query("commit");
  served.feed.wake();

  await expect.poll(sensor.told, soon).toEqual(["rule.enabled demo.off active", "rule.disabled demo.on"]);
});

test("more changes than a page holds come in their order, each once", async () => {
  await using served = await withRules();
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  await expect.poll(() => sensor.told().length, soon).toBe(2);
  sensor.forget();

  await query(
    served.fresh.database,
    `insert into rule (ref, action_ref, trigger_ref) select 'demo.' || n, 'a', 'demo.tick' from generate_series(1, 2500) as n`,
  );

  await expect.poll(() => sensor.frames.length, soon).toBe(2_500);
  expect(sensor.told()).toEqual(
    Array.from({ length: 2_500 }, (_, index) => `rule.created demo.${index + 1} active`),
  );
});

test("a database that was set back makes sensors connect again", async () => {
  let isSetBack = false;
  const later = "9000000000:9000000000:";
  await using served = await withRules({
    onRead: (page) =>
      isSetBack && page.since !== undefined ? { ...page, since: { ...page.since, snapshot: later } } : page,
  });
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  await expect.poll(() => sensor.told().length, soon).toBe(2);

  isSetBack = true;
  served.feed.wake();

  expect(await sensor.closed).toBe(1012);
  await expect.poll(() => served.disconnections, soon).toEqual(["start_over"]);
});

// Goal: a backup restored into the same server, whose transaction ids go on rising, is noticed, too, at the next look.
test("a backup restored into the same server makes sensors connect again", async () => {
  await using served = await withRules();
  const { url, database } = served.fresh;
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  await expect.poll(() => sensor.told().length, soon).toBe(2);
  const told = sensor.told();
  const backup = await backUpSchema(url);
  await query(database, "delete from rule where ref = 'demo.on'");
  await expect.poll(() => sensor.told().at(-1), soon).toBe("rule.deleted demo.on");

  await restoreSchema(url, backup);
  served.feed.wake();

  expect(await sensor.closed).toBe(1012);
  await using again = await subscriberAt(served.api.address, "admin");
  again.subscribe("demo.tick");
  await expect.poll(() => again.told(), soon).toEqual(told);
});

// Goal: an agent that has the newest revision of the rules for long is not mistaken for one that knows a lost one.
// Method: changes are remembered for an hour; the known revision becomes older than that, and is superseded.
test("a revision that was the newest for hours is known when the next one is drawn", async () => {
  await using served = await withRules();
  const { database } = served.fresh;
  await query(
    database,
    `update rule_commit set revision = revision - 7200000000;
     update rule_revision set value = value - 7200000000`,
  );
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  await expect.poll(() => sensor.told().length, soon).toBe(2);

  for (const n of [3, 4, 5]) {
    await query(database, `update rule set trigger_params = '{"n": ${n}}' where ref = 'demo.on'`);
    await expect.poll(() => sensor.frames.at(-1)?.payload?.trigger_params, soon).toEqual({ n });
  }

  expect(served.disconnections).toEqual([]);
});

test("when only part of the changes could be read, sensors connect again rather than hear that part twice", async () => {
  await using served = await withRules({
    onRead: (page) => {
      if (page.upTo !== undefined) throw new Error("the database is away");
      return page;
    },
  });
  await using sensor = await subscriberAt(served.api.address, "admin");
  sensor.subscribe("demo.tick");
  await expect.poll(() => sensor.told().length, soon).toBe(2);

  await query(
    served.fresh.database,
    `insert into rule (ref, action_ref, trigger_ref) select 'demo.' || n, 'a', 'demo.tick' from generate_series(1, 1500) as n`,
  );

  expect(await sensor.closed).toBe(1012);
  expect(new Set(sensor.told()).size).toBe(sensor.told().length);
  await using again = await subscriberAt(served.api.address, "admin");
  again.subscribe("demo.tick");
  await expect.poll(() => again.told().length, soon).toBe(1_502);
});

test("with HTTPS it is wss", async () => {
  using authority = openAuthority("Test authority");
  const certificate = authority.sign("localhost");
  await using served = await withRules({ tls: certificate });
  await using sensor = await subscriberAt(served.api.address, "admin", {
    ca: readFileSync(authority.ca),
    servername: "localhost",
  });

  sensor.subscribe("demo.tick");

  await expect.poll(() => sensor.told().length, soon).toBe(2);
});

test("many sensors cost one reading, and nobody connected costs none", async () => {
  await using served = await withRules();
  const sensors = await Promise.all(
    Array.from({ length: 50 }, () => subscriberAt(served.api.address, "admin")),
  );
  for (const sensor of sensors) sensor.subscribe("demo.tick");
  await expect.poll(() => sensors.every((sensor) => sensor.told().length === 2), soon).toBe(true);
  const before = served.pages.length;

  await query(served.fresh.database, "update rule set label = 'x' where ref = 'demo.on'");

  await expect.poll(() => sensors.every((sensor) => sensor.told().length === 3), soon).toBe(true);
  expect(served.pages.length - before).toBeLessThanOrEqual(2);
  await Promise.all(sensors.map((sensor) => sensor[Symbol.asyncDispose]()));
  await expect.poll(() => served.notifications.count, soon).toBe(0);
  const idle = served.pages.length;
  await query(served.fresh.database, "update rule set label = 'y' where ref = 'demo.on'");
  served.feed.wake();
  expect(served.pages.length).toBe(idle);
});

test("a stop says goodbye to everyone, also to one who does not read", async () => {
  const served = await withRules();
  const sensor = await subscriberAt(served.api.address, "admin");
  const deaf = await subscriberAt(served.api.address, "admin");
  deaf.socket.pause();

  await served[Symbol.asyncDispose]();

  expect(await sensor.closed).toBe(1001);
  deaf.socket.resume();
  await deaf.closed;
});

test("one who sends too much is disconnected, also with a message that is too large", async () => {
  await using served = await withRules();
  await using busy = await subscriberAt(served.api.address, "admin");
  await using large = await subscriberAt(served.api.address, "admin");

  for (let n = 0; n < 1_000; n += 1) busy.say({ type: "ping" });
  large.say({ type: "ping", padding: "x".repeat(100_000) });

  expect(await busy.closed).toBe(1008);
  expect(await large.closed).toBe(1009);
});

test("a request that is no handshake learns what to send instead", async () => {
  await using served = await notifyingApi();

  const response = await fetch(`${served.api.address}/ws`);

  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({
    error: expect.stringContaining("expects a WebSocket handshake"),
    code: "BAD_REQUEST",
  });
});

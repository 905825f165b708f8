/** What a hostile sender writes to a webhook's path over a raw connection: it is refused, and others are served. */
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import { insertWebhookRule, openWebhookApi, type WebhookApi } from "../support/webhook-api.ts";

let rig: PipelineRig;
let api: WebhookApi;
let number = 0;

beforeAll(async () => {
  rig = await openRig();
  api = await openWebhookApi(rig);
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** The path of a new rule. */
async function hook(): Promise<string> {
  const path = `h${(number += 1)}`;
  await insertWebhookRule(rig, `demo.${path}`, { path, delivery_id_field: "id" });
  api.endpoints.wake();
  return path;
}

/**
 * All that the agent answers until it closes the connection.
 *
 * @param isCut the sender leaves after it has sent this
 */
async function raw(sent: string, isCut = false): Promise<string> {
  const { hostname, port } = new URL(api.posting.api.address);
  const socket: Socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  const answer = text(socket).catch(() => "reset");
  if (isCut) socket.end(sent, "latin1");
  else socket.write(sent, "latin1");
  return answer;
}

const statuses = (answer: string): readonly string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = ""]) => status);

const rowsOf = (path: string) =>
  query<{ verdict: string; reason: string | null }>(
    rig.database,
    "select verdict, reason from webhook_delivery where path = $1 order by id",
    [path],
  );

const eventsOf = (path: string): Promise<number> => rig.countOf(`event where payload->>'path' = '${path}'`);

const head = (path: string, ...headers: string[]): string =>
  [
    `POST /webhooks/${path} HTTP/1.1`,
    "host: a",
    "connection: close",
    "content-type: application/json",
    ...headers,
    "",
    "",
  ].join("\r\n");

test.each([
  ["a chunk whose size is no number", "zz\r\n{}\r\n0\r\n\r\n"],
  ["a chunk that is longer than its size", "1\r\n{}}}}\r\n0\r\n\r\n"],
  ["a chunk whose size overflows", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"],
  ["a chunk whose size is negative", "-2\r\n{}\r\n0\r\n\r\n"],
  ["a body without its last chunk", "2\r\n{}\r\n"],
  ["a chunk that is cut short", "ff\r\n{}"],
])("%s makes no event", async (_, body) => {
  const path = await hook();

  const answer = await raw(head(path, "transfer-encoding: chunked") + body, true);

  expect(statuses(answer)).toEqual(["400"]);
  await expect.poll(() => rowsOf(path)).toEqual([{ verdict: "refused", reason: "body_incomplete" }]);
  expect(await eventsOf(path)).toBe(0);
  expect((await api.send(`/webhooks/${path}`)).status).toBe(200);
});

test("a body that is shorter than its length makes no event", async () => {
  const path = await hook();

  expect(statuses(await raw(`${head(path, "content-length: 10")}{}`, true))).toEqual(["400"]);

  await expect.poll(() => rowsOf(path)).toEqual([{ verdict: "refused", reason: "body_incomplete" }]);
  expect(await eventsOf(path)).toBe(0);
});

// Goal: one request must not keep the rows of all later ones out of the database.
// Method: announce the longest bodies that HTTP can.
test("a body of any announced length leaves a row, and so do the requests after it", async () => {
  const path = await hook();

  const answers = await Promise.all(
    Array.from({ length: 3 }, () => raw(head(path, "content-length: 18446744073709551615"))),
  );

  expect(answers.flatMap(statuses)).toEqual(["413", "413", "413"]);
  expect((await api.send(`/webhooks/${path}`)).status).toBe(200);
  const refused = { verdict: "refused", reason: "size" };
  await expect
    .poll(() => rowsOf(path))
    .toEqual([refused, refused, refused, { verdict: "accepted", reason: null }]);
});

test.each([
  ["is refused as a request", "keep-alive", ["200", "400"]],
  ["is not looked at behind the last request", "close", ["200"]],
])("what follows a body's length is no part of it, and %s", async (_, connection, expected) => {
  const path = await hook();
  const sent = `${head(path, "content-length: 8")}{"id":1}{"id":2}`;

  const answer = await raw(sent.replace("connection: close", `connection: ${connection}`));

  expect(statuses(answer)).toEqual(expected);
  await expect.poll(async () => (await rowsOf(path)).length).toBe(1);
  const bodies = await query<{ id: number }>(
    rig.database,
    "select payload->'body'->'id' as id from event where payload->>'path' = $1",
    [path],
  );
  expect(bodies).toEqual([{ id: 1 }]);
});

test.each([
  ["nested 100,000 deep", "[".repeat(100_000) + "]".repeat(100_000), 400],
  ["nested 501 deep", "[".repeat(501) + "]".repeat(501), 400],
  ["nested 100,000 deep, and cut short", '{"a":'.repeat(100_000), 400],
  ["with a lone surrogate", String.raw`{"a":"\ud800"}`, 422],
  ["with a number of 200,000 digits", `{"a":${"9".repeat(200_000)}}`, 400],
  ["with a number beyond all bounds", '{"a":1e999999999}', 400],
  ["with the member __proto__", '{"__proto__":{"polluted":true},"constructor":{"prototype":1}}', 200],
])("a body %s is stored or refused for good, and the next one is stored", async (_, body, status) => {
  const path = await hook();

  const answer = await api.send(`/webhooks/${path}`, { body });

  expect([answer.status, answer.text]).toEqual([status, answer.text]);
  expect((await api.send(`/webhooks/${path}`)).status).toBe(200);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

/** Requests with bodies that never end; together they would fill the room of all bodies. */
function flood(path: string, status: string) {
  const { hostname, port } = new URL(api.posting.api.address);
  let refused = 0;
  const sockets = Array.from({ length: 70 }, () => {
    const socket = connect(Number(port), hostname).on("error", () => {});
    socket.write(`${head(path, "content-length: 1048576")}"${"x".repeat(1_000_000)}`);
    void text(socket).then(
      (answer) => (refused += statuses(answer).join() === status ? 1 : 0),
      () => {},
    );
    return socket;
  });
  return {
    refused: () => refused,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

// Goal: whoever is refused anyway must not keep out others.
test.each([
  ["for an unknown key", "wh_unknown", "404"],
  ["from a wrong address", "wh_guarded", "403"],
  ["to a key that was used too often", "wh_limited", "429"],
])("most of many bodies %s are refused unread, and others are served meanwhile", async (_, key, status) => {
  const path = await hook();
  await insertTrigger(rig.database, `demo.${key}`);
  const config = {
    wh_guarded: { allow_from: ["192.0.2.0/24"] },
    wh_limited: { rate_limit: { requests: 1, seconds: 86_400 } },
  }[key];
  await query(
    rig.database,
    "update trigger set webhook_enabled = $1, webhook_key = $2, webhook_config = $3 where ref = $4",
    [config !== undefined, key, JSON.stringify(config ?? {}), `demo.${key}`],
  );
  api.endpoints.wake();
  // A bucket is known to be empty when it has denied a request.
  for (let request = 0; request < 2; request += 1) await api.send(`/webhooks/${key}`);
  using flooded = flood(key, status);

  await expect.poll(flooded.refused).toBeGreaterThan(60);
  expect((await api.send(`/webhooks/${path}`)).status).toBe(200);
  expect((await api.send(`/webhooks/${key}`)).status).toBe(Number(status));
  expect((await api.send(`/webhooks/${key}`, { body: "{" })).status).toBe(400);
});

test("text that is no UTF-8 in path, query, header and form is no fault of the agent", async () => {
  const path = await hook();
  const form = (body: string): string =>
    head(path, `content-length: ${body.length}`).replace(
      "application/json",
      "application/x-www-form-urlencoded",
    ) + body;

  expect(statuses(await raw(head(`${path}/%ff`, "content-length: 0")))).toEqual(["400"]);
  expect(
    statuses(await raw(head(`${path}?a=%ff&__proto__=1`, "x-odd: \xff\xfe", "content-length: 0"))),
  ).toEqual(["200"]);
  expect(statuses(await raw(form("a=%ff&__proto__=1")))).toEqual(["200"]);
  expect(statuses(await raw(form("a=\xff")))).toEqual(["400"]);
  expect(await eventsOf(path)).toBe(2);
});

test("an address that a proxy passes on as nonsense is a stranger's", async () => {
  const path = await hook();
  await query(
    rig.database,
    `update rule set trigger_params = trigger_params || '{"allow_from": ["192.0.2.0/24"], "rate_limit": {"requests": 5, "seconds": 60, "per": "address"}}'
      where ref = $1`,
    [`demo.${path}`],
  );
  await using behind = await openWebhookApi(rig, { listener: { trustedProxies: ["127.0.0.1"] } });
  const from = async (address: string): Promise<number> =>
    (await behind.send(`/webhooks/${path}`, { headers: { "x-forwarded-for": address } })).status;

  for (const address of ["nonsense", "192.0.2.1:80", "999.0.2.1", "::ffff:1.2.3.4.5", '"192.0.2.1"'])
    expect([address, await from(address)]).toEqual([address, 403]);
  expect(await from("192.0.2.1")).toBe(200);
});

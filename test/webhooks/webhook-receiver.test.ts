import { createHmac } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect, test, beforeAll, afterAll } from "vitest";
import type { JsonObject } from "../../src/model/json/json.ts";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import {
  githubSignature,
  insertWebhookRule,
  openWebhookApi,
  type WebhookApi,
} from "../support/webhook-api.ts";

let rig: PipelineRig;
let api: WebhookApi;
let number = 0;

beforeAll(async () => {
  rig = await openRig();
  api = await openWebhookApi(rig, {
    keys: {
      "demo.secret": "s3cret",
      "demo.login": "ann:pass word",
      "demo.token": ["old-token", "new-token"],
      "demo.known": "known",
    },
    creatorPackRefs: { "demo.known": "jira" },
    listener: { trustedProxies: [] },
  });
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** Makes a rule with a path of its own. */
async function path(params: JsonObject = {}, ref = `demo.rule_${(number += 1)}`): Promise<string> {
  const own = `p${number}`;
  await insertWebhookRule(rig, ref, { path: own, ...params });
  api.endpoints.wake();
  return own;
}

interface StoredEvent {
  readonly id: string;
  readonly trigger_ref: string;
  readonly source_ref: string | null;
  readonly rule_ref: string | null;
  readonly payload: Record<string, unknown>;
}

const event = async (id: unknown): Promise<StoredEvent | undefined> =>
  (
    await query<StoredEvent>(
      rig.database,
      "select id::text, trigger_ref, source_ref, rule_ref, payload from event where id = $1",
      [String(id)],
    )
  )[0];

interface DeliveryRow {
  readonly verdict: string;
  readonly reason: string | null;
  readonly event: string | null;
  readonly delivery_id: string | null;
  readonly status: number;
  readonly bytes: string;
  readonly remote_address: string;
  readonly request_id: string;
}

/** Rows of the delivery log for a path, once there are so many. */
async function deliveries(of: string, count: number): Promise<readonly DeliveryRow[]> {
  let rows: readonly DeliveryRow[] = [];
  await expect
    .poll(async () => {
      rows = await query<DeliveryRow>(
        rig.database,
        "select *, event::text, bytes::text from webhook_delivery where path = $1 order by id",
        [of],
      );
      return rows.length;
    })
    .toBe(count);
  return rows;
}

test("a rule has an endpoint because of its trigger_ref alone", async () => {
  const named = await path();
  await query(rig.database, `update rule set trigger = null where trigger_params ->> 'path' = $1`, [named]);
  const moved = await path();
  await insertTrigger(rig.database, "demo.elsewhere");
  await query(
    rig.database,
    `update rule set trigger_ref = 'demo.elsewhere' where trigger_params ->> 'path' = $1`,
    [moved],
  );
  api.endpoints.wake();

  expect((await api.send(`/webhooks/${named}`, { body: "{}" })).status).toBe(200);
  expect((await api.send(`/webhooks/${moved}`, { body: "{}" })).status).toBe(404);
});

test("a request to a rule's path is an event for that rule, with what the sender sent", async () => {
  const own = await path();
  const answer = await api.send(`/webhooks/${own}?branch=main`, {
    headers: { "x-custom": "yes", authorization: "Bearer secret" },
    body: '{"id": 2882429806056571124, "price": 1.50}',
  });
  expect(answer.status).toBe(200);
  expect(answer.data).toMatchObject({ trigger_ref: "core.webhook", message: "Event stored." });
  const stored = await event(answer.data["event_id"]);
  expect(stored).toMatchObject({
    trigger_ref: "core.webhook",
    source_ref: "core.webhooks",
    payload: {
      type: "webhook",
      method: "POST",
      path: own,
      query: { branch: "main" },
      delivery_id: null,
      remote_address: "127.0.0.1",
    },
  });
  const [text] = await query<{ body: string }>(
    rig.database,
    "select payload->>'body' as body from event where id = $1",
    [String(answer.data["event_id"])],
  );
  expect(text?.body).toBe('{"id": 2882429806056571124, "price": 1.50}');
  expect(JSON.stringify(stored)).not.toContain("secret");
  expect(stored?.payload["headers"]).toMatchObject({ "x-custom": "yes" });
  const [row] = await deliveries(own, 1);
  expect(row).toMatchObject({
    verdict: "accepted",
    reason: null,
    event: stored?.id,
    status: 200,
    bytes: "42",
    remote_address: "127.0.0.1",
    request_id: answer.headers.get("x-request-id"),
  });
});

test("a path answers under both prefixes, and nothing answers where no rule is", async () => {
  const own = await path({ methods: ["PUT", "GET"] });
  expect((await api.send(`/api/v1/webhooks/${own}/`, { method: "PUT" })).status).toBe(200);
  const got = await api.send(`/webhooks/${own}?a=1`, { method: "GET" });
  expect((await event(got.data["event_id"]))?.payload).toMatchObject({ query: { a: "1" }, body: null });
  const wrongMethod = await api.send(`/webhooks/${own}`);
  expect([wrongMethod.status, wrongMethod.headers.get("allow")]).toEqual([405, "PUT, GET"]);
  expect((await api.send("/webhooks/nowhere")).status).toBe(404);
  await query(rig.database, "update rule set enabled = false where trigger_params->>'path' = $1", [own]);
  api.endpoints.wake();
  expect((await api.send(`/webhooks/${own}`, { method: "PUT" })).status).toBe(404);
});

test("a disabled sensor or trigger closes all paths", async () => {
  const own = await path();
  for (const [table, ref] of [
    ["sensor", "core.webhooks"],
    ["trigger", "core.webhook"],
  ]) {
    await query(rig.database, `update ${table} set enabled = false where ref = $1`, [ref]);
    api.endpoints.wake();
    expect((await api.send(`/webhooks/${own}`)).status).toBe(404);
    await query(rig.database, `update ${table} set enabled = true where ref = $1`, [ref]);
  }
  api.endpoints.wake();
  expect((await api.send(`/webhooks/${own}`)).status).toBe(200);
});

test("a forged, a missing and a changed signature are refused, and logged with the reason", async () => {
  const own = await path({ preset: "github", secret: "demo.secret" });
  const body = '{"ref":"refs/heads/main"}';
  const good = { ...githubSignature("s3cret", body), "x-github-delivery": "d-1", "x-github-event": "push" };
  expect((await api.send(`/webhooks/${own}`, { body })).status).toBe(401);
  expect((await api.send(`/webhooks/${own}`, { body: `${body} `, headers: good })).status).toBe(401);
  const forged = await api.send(`/webhooks/${own}`, { body, headers: githubSignature("guess", body) });
  expect(JSON.parse(forged.text)).toEqual({ error: "The signature is not valid.", code: "UNAUTHORIZED" });
  const accepted = await api.send(`/webhooks/${own}`, { body, headers: good });
  expect(accepted.status).toBe(200);
  const rows = await deliveries(own, 4);
  expect(rows.map(({ verdict, reason }) => [verdict, reason])).toEqual([
    ["refused", "signature_missing"],
    ["refused", "signature_wrong"],
    ["refused", "signature_wrong"],
    ["accepted", null],
  ]);
  expect((await event(accepted.data["event_id"]))?.payload["headers"]).toMatchObject({
    "x-github-event": "push",
  });
});

// Goal: a delivery is one event, however often and however fast the sender repeats it.
test("a sender that retries ten times at once makes one event, and all are answered alike", async () => {
  const own = await path({ preset: "github", secret: "demo.secret" });
  const body = '{"retried":true}';
  const headers = { ...githubSignature("s3cret", body), "x-github-delivery": "d-10" };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => api.send(`/webhooks/${own}`, { body, headers })),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  expect(new Set(answers.map(({ data }) => data["event_id"])).size).toBe(1);
  expect(answers.filter(({ data }) => data["deduplicated"] === true).length).toBe(9);
  const rows = await deliveries(own, 10);
  expect(rows.filter(({ verdict }) => verdict === "accepted").length).toBe(1);
  expect(new Set(rows.map(({ event: id }) => id)).size).toBe(1);
  expect(new Set(rows.map(({ delivery_id: id }) => id))).toEqual(new Set(["d-10"]));
  // Another delivery with the very same body is another event.
  const next = await api.send(`/webhooks/${own}`, {
    body,
    headers: { ...headers, "x-github-delivery": "d-11" },
  });
  expect(next.data["deduplicated"]).toBeUndefined();
  expect(next.data["event_id"]).not.toBe(answers[0]?.data["event_id"]);
});

const slack = (body: string, seconds: number): Record<string, string> => ({
  "x-slack-request-timestamp": String(seconds),
  "x-slack-signature": `v0=${createHmac("sha256", "s3cret").update(`v0:${seconds}:${body}`).digest("hex")}`,
});
const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

test("a delayed request is refused; a replayed one is the event that it was", async () => {
  const own = await path({ preset: "slack", secret: "demo.secret" });
  const body = '{"type":"event_callback"}';
  expect(
    (await api.send(`/webhooks/${own}`, { body, headers: slack(body, nowSeconds() - 301) })).status,
  ).toBe(401);
  const headers = slack(body, nowSeconds());
  const first = await api.send(`/webhooks/${own}`, { body, headers });
  const replayed = await api.send(`/webhooks/${own}`, { body, headers });
  expect([first.status, replayed.status]).toEqual([200, 200]);
  expect(replayed.data).toMatchObject({ deduplicated: true, event_id: first.data["event_id"] });
  const [late] = await deliveries(own, 3);
  expect(late).toMatchObject({ verdict: "refused", reason: "timestamp_outside", status: 401 });
});

test("a copied request cannot be sent again under another delivery id", async () => {
  const own = await path({
    secret: "demo.secret",
    delivery_id_header: "X-Id",
    signature: { timestamp_header: "X-Time", signed: "{timestamp}.{body}" },
  });
  const time = nowSeconds();
  const body = "{}";
  const signature = createHmac("sha256", "s3cret").update(`${time}.${body}`).digest("hex");
  const headers = { "x-time": String(time), "x-webhook-signature": `sha256=${signature}` };
  const send = (id: string) => api.send(`/webhooks/${own}`, { body, headers: { ...headers, "x-id": id } });
  const first = await send("a");
  expect(first.status).toBe(200);
  expect((await send("b")).status).toBe(401);
  expect((await api.send(`/webhooks/${own}`, { body, headers })).status).toBe(401);
  expect((await send("a")).data).toMatchObject({ deduplicated: true, event_id: first.data["event_id"] });
  expect((await deliveries(own, 4)).map(({ reason }) => reason)).toEqual([
    null,
    "replayed",
    "replayed",
    null,
  ]);
});

// Goal: a change of the secret refuses no genuine request, accepts none with the old secret once it is removed, and lets no
// copy in as a second event.
// Method: a sender that signs with both secrets meanwhile, as Stripe does, and an attacker who leaves out one of the signatures.
test.each(["one key with a list", "two keys"])("a secret is replaced, in %s", async (how) => {
  const [old, fresh] = [`demo.old_${number}`, `demo.new_${number}`];
  const isList = how === "one key with a list";
  const own = await path({
    secret: isList ? fresh : [old, fresh],
    signature: { separator: ",", prefix: "v1=", timestamp_part: "t", signed: "{timestamp}.{body}" },
  });
  const change = (secrets: readonly string[]): void => {
    const [first = "", second] = secrets;
    if (isList) api.keys.set(fresh, second === undefined ? first : [first, second]);
    else if (second === undefined) api.keys.delete(old);
    if (!isList) api.keys.set(second === undefined ? fresh : old, first);
    if (!isList && second !== undefined) api.keys.set(fresh, second);
    api.secrets.wake();
  };
  const signed = (body: string, secrets: readonly string[], time = nowSeconds()) => {
    const of = (secret: string) => createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
    const header = [`t=${time}`, ...secrets.map((secret) => `v1=${of(secret)}`)].join(",");
    return () => api.send(`/webhooks/${own}`, { body, headers: { "x-webhook-signature": header } });
  };
  change(["first", "second"]);
  const time = nowSeconds();
  const genuine = await signed('{"n":1}', ["first", "second"], time)();
  expect(genuine.status).toBe(200);
  const same = { deduplicated: true, event_id: genuine.data["event_id"] };
  expect((await signed('{"n":1}', ["second"], time)()).data).toMatchObject(same);
  expect((await signed('{"n":1}', ["first"], time)()).data).toMatchObject(same);
  expect((await signed('{"n":2}', ["first"])()).status).toBe(200);
  expect((await signed('{"n":3}', ["second"])()).status).toBe(200);
  const both = signed('{"n":5}', ["first", "second"], time);
  const only = signed('{"n":5}', ["second"], time);
  const answers = await Promise.all([both(), only(), both(), only()]);
  expect(new Set(answers.map(({ data }) => data["event_id"])).size).toBe(1);
  change(["second"]);
  expect((await signed('{"n":4}', ["first"])()).status).toBe(401);
  expect((await signed('{"n":1}', ["first", "second"], time)()).data).toMatchObject(same);
  expect((await signed('{"n":1}', ["second"], time)()).data).toMatchObject(same);
});

test("bearer tokens, logins and several of them while they are replaced", async () => {
  const bearer = await path({ bearer: "demo.token" });
  for (const [token, status] of [
    ["old-token", 200],
    ["new-token", 200],
    ["other", 401],
    ["", 401],
  ] as const)
    expect(
      (await api.send(`/webhooks/${bearer}`, { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(status);
  const basic = await path({ basic: "demo.login" });
  const login = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
  expect((await api.send(`/webhooks/${basic}`, { headers: login("ann:pass word") })).status).toBe(200);
  const refused = await api.send(`/webhooks/${basic}`, { headers: login("ann:password") });
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="webhook"']);
  expect((await deliveries(bearer, 4)).map(({ reason }) => reason)).toEqual([null, null, "bearer", "bearer"]);
});

test("without its secret nothing is accepted and nothing is lost: 503 until the key is there", async () => {
  const own = await path({ preset: "shopify", secret: "demo.later" });
  const body = "{}";
  const signature = createHmac("sha256", "later").update(body).digest("base64");
  const send = () => api.send(`/webhooks/${own}`, { body, headers: { "x-shopify-hmac-sha256": signature } });
  const early = await send();
  expect([early.status, early.headers.get("retry-after")]).toEqual([503, "5"]);
  api.keys.set("demo.later", "later");
  api.secrets.wake();
  expect((await send()).status).toBe(200);
  expect((await deliveries(own, 2))[0]).toMatchObject({ verdict: "failed", reason: "secret_missing" });
});

// Goal: a sensor that creates a key before a webhook names it cannot make the webhook's requests.
test("a key that a sensor created is no secret of a webhook outside its pack", async () => {
  const foreign = await path({ bearer: "demo.known" });
  const own = await path({ bearer: ["demo.known"] });
  await query(rig.database, "update rule set pack_ref = 'jira' where trigger_params ->> 'path' = $1", [own]);
  api.endpoints.wake();
  const send = async (to: string) =>
    (await api.send(`/webhooks/${to}`, { headers: { authorization: "Bearer known" } })).status;

  expect([await send(foreign), await send(own)]).toEqual([503, 200]);
});

test("wrong content type, bad JSON, a body that is too large", async () => {
  const own = await path({ max_bytes: 100 });
  const send = async (type: string, body: string | Uint8Array) =>
    (await api.send(`/webhooks/${own}`, { headers: { "content-type": type }, body })).status;
  expect(await send("application/json", '{"a":')).toBe(400);
  expect(await send("application/json", new Uint8Array([0x22, 0xff, 0x22]))).toBe(400);
  expect(await send("multipart/form-data; boundary=x", "--x--")).toBe(415);
  expect(await send("application/json", JSON.stringify("x".repeat(99)))).toBe(413);
  expect(await send("text/plain", "a=1")).toBe(200);
  expect(await send("application/x-www-form-urlencoded", "a=1")).toBe(200);
  const rows = await deliveries(own, 6);
  expect(rows.map(({ reason }) => reason)).toEqual(["body", "body", "content_type", "size", null, null]);
  expect((await event(rows[5]?.event))?.payload["body"]).toEqual({ a: "1" });
  expect((await event(rows[4]?.event))?.payload["body"]).toBe("a=1");
});

test("a compressed body is refused by name, and a coding that is only claimed does no harm", async () => {
  const own = await path();
  const send = (body: string | Uint8Array) =>
    api.send(`/webhooks/${own}`, { headers: { "content-encoding": "gzip" }, body });
  const refused = await send(gzipSync('{"a":1}'));
  expect([refused.status, refused.headers.get("accept-encoding")]).toEqual([415, "identity"]);
  expect(refused.text).toContain("send it uncompressed");
  expect((await send('{"a":1}')).status).toBe(200);
  expect((await deliveries(own, 2))[0]).toMatchObject({ verdict: "refused", reason: "content_encoding" });
});

test("methods and content types that no endpoint reads are answered like others, and logged", async () => {
  const own = await path({ methods: ["GET", "POST"] });
  for (const method of ["HEAD", "OPTIONS", "PUT"]) {
    const response = await fetch(`${api.posting.api.address}/webhooks/${own}`, { method });
    expect([method, response.status, response.headers.get("allow")]).toEqual([method, 405, "GET, POST"]);
  }
  const headers = { "content-type": "application/json, text/plain" };
  expect((await api.send(`/webhooks/${own}`, { headers })).status).toBe(415);
  const forced = await path({ body: "json" });
  expect((await api.send(`/webhooks/${forced}`, { headers })).status).toBe(200);
  const rows = await deliveries(own, 4);
  expect(rows.map(({ reason }) => reason)).toEqual(["method", "method", "method", "content_type"]);
  expect((await deliveries(forced, 1))[0]).toMatchObject({ verdict: "accepted" });
});

test("a body with a NUL is refused with the reason, and the next one is stored", async () => {
  const own = await path();
  const refused = await api.send(`/webhooks/${own}`, { body: String.raw`{"a":"\u0000"}` });
  expect(refused.status).toBe(422);
  expect((await api.send(`/webhooks/${own}`)).status).toBe(200);
});

test("Slack and Meta find out whose the URL is, before and without any event", async () => {
  const own = await path({ preset: "slack", secret: "demo.secret" });
  const body = '{"type":"url_verification","challenge":"3eZbrw1aB"}';
  const answer = await api.send(`/webhooks/${own}`, { body, headers: slack(body, nowSeconds()) });
  expect([answer.status, answer.text]).toEqual([200, "3eZbrw1aB"]);
  expect((await api.send(`/webhooks/${own}`, { body })).status).toBe(401);
  const meta = await path({ preset: "meta", secret: "demo.secret", verify_token: "demo.token" });
  const ask = (token: string) =>
    api.send(`/webhooks/${meta}?hub.mode=subscribe&hub.challenge=%3Cb%3E&hub.verify_token=${token}`, {
      method: "GET",
    });
  const asked = await ask("old-token");
  expect([asked.status, asked.text]).toEqual([200, "<b>"]);
  expect(asked.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(asked.headers.get("x-content-type-options")).toBe("nosniff");
  expect((await ask("guess")).status).toBe(401);
  expect((await api.send(`/webhooks/${meta}`, { method: "GET" })).status).toBe(405);
  expect((await deliveries(own, 2))[0]).toMatchObject({ verdict: "challenge", event: null });
  expect(await rig.countOf(`event where payload->>'path' in ('${own}', '${meta}')`)).toBe(0);
});

test("an answer of the rule's own comes with the event's id in a header", async () => {
  const own = await path({ reply: { status: 202, body: "ok\n" }, delivery_id_header: "x-id" });
  const [first, again] = [
    await api.send(`/webhooks/${own}`, { headers: { "x-id": "1" } }),
    await api.send(`/webhooks/${own}`, { headers: { "x-id": "1" } }),
  ];
  expect([first.status, first.text, again.status, again.text]).toEqual([202, "ok\n", 202, "ok\n"]);
  expect(again.headers.get("x-event-id")).toBe(first.headers.get("x-event-id"));
  expect([first.headers.get("x-deduplicated"), again.headers.get("x-deduplicated")]).toEqual([null, "true"]);
});

test("each of two rules with one path gets an event of its own", async () => {
  const own = await path();
  await insertWebhookRule(rig, "demo.second", { path: own });
  api.endpoints.wake();
  const answer = await api.send(`/webhooks/${own}`);
  const ids = answer.data["event_ids"] as readonly number[];
  expect(new Set(ids).size).toBe(2);
  expect(answer.data["event_id"]).toBe(ids[0]);
});

test("addresses outside the list are refused, and no header changes one's address", async () => {
  const own = await path({ allow_from: ["192.0.2.0/24"] });
  const spoofed = { "x-forwarded-for": "192.0.2.7", forwarded: "for=192.0.2.7", "x-real-ip": "192.0.2.7" };
  expect((await api.send(`/webhooks/${own}`, { headers: spoofed })).status).toBe(403);
  const [row] = await deliveries(own, 1);
  expect(row).toMatchObject({ reason: "address", remote_address: "127.0.0.1" });
});

test("behind a trusted proxy the list is for the address that the proxy saw", async () => {
  const own = await path({ allow_from: ["192.0.2.0/24"] });
  await using behind = await openWebhookApi(rig, { listener: { trustedProxies: ["127.0.0.1"] } });
  const from = async (list: string) =>
    (await behind.send(`/webhooks/${own}`, { headers: { "x-forwarded-for": list } })).status;
  expect(await from("192.0.2.7")).toBe(200);
  // The sender wrote the first entry, the proxy the last.
  expect(await from("192.0.2.7, 198.51.100.1")).toBe(403);
});

test("a trigger's key is the URL, the body's payload the event, and the order of refusals is fixed", async () => {
  await insertTrigger(rig.database, "demo.keyed");
  const key = "wh_0123456789abcdef";
  await query(
    rig.database,
    `update trigger set webhook_enabled = true, webhook_key = $1, webhook_config = $2 where ref = 'demo.keyed'`,
    [key, JSON.stringify({ secret: "demo.secret", max_bytes: 50, delivery_id_header: "x-id" })],
  );
  api.endpoints.wake();
  const body = '{"payload":{"n":15},"source":"ci"}';
  const signature = createHmac("sha256", "s3cret").update(body).digest("hex");
  const headers = { "x-webhook-signature": `sha256=${signature}`, "x-id": "7" };
  const answer = await api.send(`/api/v1/webhooks/${key}`, { body, headers });
  expect(answer.status).toBe(200);
  expect(Object.keys(answer.data)).toEqual(
    expect.arrayContaining(["event_id", "trigger_ref", "received_at", "message"]),
  );
  expect(await event(answer.data["event_id"])).toMatchObject({
    trigger_ref: "demo.keyed",
    payload: { n: 15 },
  });
  const status = async (path_: string, sent: string) => (await api.send(path_, { body: sent })).status;
  expect(await status("/api/v1/webhooks/wh_unknown", "{")).toBe(400);
  expect(await status("/api/v1/webhooks/wh_unknown", "{}")).toBe(404);
  expect(await status(`/api/v1/webhooks/${key}`, "{")).toBe(400);
  expect(await status(`/api/v1/webhooks/${key}`, JSON.stringify("x".repeat(60)))).toBe(400);
  expect(await status(`/api/v1/webhooks/${key}`, "{}")).toBe(401);
  expect((await api.send(`/webhooks/${key}`, { body, headers })).data).toMatchObject({ deduplicated: true });
  // The key is a secret, and so in no row.
  const rows = await query(rig.database, "select * from webhook_delivery where trigger_ref = 'demo.keyed'");
  expect(JSON.stringify(rows)).not.toContain(key);
  await query(rig.database, "update trigger set webhook_enabled = false where ref = 'demo.keyed'");
  api.endpoints.wake();
  expect((await api.send(`/api/v1/webhooks/${key}`, { body, headers })).status).toBe(404);
});

test("a limit holds across two agents, and says when to try again", async () => {
  const own = await path({ rate_limit: { requests: 20, seconds: 3600 } });
  await using other = await openWebhookApi(rig);
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? api : other).send(`/webhooks/${own}`)),
  );
  expect(answers.filter(({ status }) => status === 200).length).toBe(20);
  const refused = answers.find(({ status }) => status === 429);
  expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(100);
});

test("a limit that is relaxed holds at once, whatever was left of the former one", async () => {
  const own = await path({ rate_limit: { requests: 1, seconds: 86_400 } });
  const statuses = [(await api.send(`/webhooks/${own}`)).status, (await api.send(`/webhooks/${own}`)).status];

  await query(
    rig.database,
    `update rule set trigger_params = trigger_params || '{"rate_limit": {"requests": 100, "seconds": 10}}'
      where trigger_params->>'path' = $1`,
    [own],
  );
  api.endpoints.wake();

  statuses.push((await api.send(`/webhooks/${own}`)).status);
  expect(statuses).toEqual([200, 429, 200]);
});

test("a limit holds beside another one for other methods on the same path", async () => {
  const own = await path({ rate_limit: { requests: 1, seconds: 86_400 } });
  await insertWebhookRule(rig, `demo.other.${own}`, {
    path: own,
    method: "PUT",
    rate_limit: { requests: 100, seconds: 10 },
  });
  api.endpoints.wake();

  const statuses: number[] = [];
  for (const method of ["POST", "PUT", "PUT", "POST"])
    statuses.push((await api.send(`/webhooks/${own}`, { method })).status);
  expect(statuses).toEqual([200, 200, 200, 429]);
});

test("a bucket that is full only in the far future, as after the database's clock was set back, is full", async () => {
  const own = await path({ rate_limit: { requests: 2, seconds: 60 } });
  const statuses = [(await api.send(`/webhooks/${own}`)).status];

  await query(
    rig.database,
    "update webhook_rate set full_at = full_at + interval '1 hour' where endpoint like $1",
    [`path/${own}%`],
  );

  for (let repeated = 0; repeated < 3; repeated += 1)
    statuses.push((await api.send(`/webhooks/${own}`)).status);
  expect(statuses).toEqual([200, 200, 200, 429]);
});

test("a limit for each address leaves other addresses alone", async () => {
  const own = await path({ rate_limit: { requests: 1, seconds: 3600, per: "address" } });
  await using behind = await openWebhookApi(rig, { listener: { trustedProxies: ["127.0.0.1"] } });
  const from = async (address: string) =>
    (await behind.send(`/webhooks/${own}`, { headers: { "x-forwarded-for": address } })).status;
  expect([await from("192.0.2.1"), await from("192.0.2.1"), await from("192.0.2.2")]).toEqual([
    200, 429, 200,
  ]);
  // All addresses of one network are one sender's.
  expect([await from("2001:db8::1"), await from("2001:db8:0:0:5::9"), await from("2001:db8:0:1::1")]).toEqual(
    [200, 429, 200],
  );
});

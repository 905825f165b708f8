/** What senders, networks and the database do at the wrong moment. */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { ConnectionError } from "../../src/database/errors.ts";
import { openRig } from "../events/pipeline-rig.ts";
import { openAuthority } from "../support/certificates.ts";
import { query } from "../support/platform-rows.ts";
import { postWithUrllib } from "../support/urllib-post.ts";
import { insertWebhookRule, openWebhookApi } from "../support/webhook-api.ts";

// Goal: 2xx only after the commit, and the sender is told to repeat what was not stored.
// Method: the database is cut off between two requests, and is back for the third.
test("while the database is away senders are told to repeat, and a repetition is stored once", async () => {
  await using rig = await openRig();
  await insertWebhookRule(rig, "demo.hook", { path: "hook", delivery_id_header: "x-id" });
  let isAway = false;
  const database: Queryable = {
    query: async (text) => {
      if (isAway) throw new ConnectionError("cut off", "nothing-done");
      return rig.database.query(text);
    },
  };
  await using api = await openWebhookApi(rig, { database, waitMs: 300 });
  const send = () => api.send("/webhooks/hook", { headers: { "x-id": "1" } });
  isAway = true;
  expect((await send()).status).toBe(503);
  isAway = false;
  await expect.poll(async () => (await send()).status, { timeout: 20_000 }).toBe(200);
  isAway = true;
  api.endpoints.wake();
  const away = await api.send("/webhooks/hook", { headers: { "x-id": "2" } });
  expect([away.status, away.headers.get("retry-after")]).toEqual([503, "5"]);
  isAway = false;
  await expect
    .poll(async () => (await api.send("/webhooks/hook", { headers: { "x-id": "2" } })).status, {
      timeout: 20_000,
    })
    .toBe(200);
  expect(await rig.countOf("event where trigger_ref = 'core.webhook'")).toBe(2);
  // The log was kept meanwhile.
  await expect
    .poll(() => rig.countOf("webhook_delivery where verdict = 'failed'"), { timeout: 20_000 })
    .toBeGreaterThanOrEqual(2);
});

test("a body that never ends is dropped, and others are answered meanwhile", async () => {
  await using rig = await openRig();
  await insertWebhookRule(rig, "demo.hook", { path: "hook", max_bytes: 1_000 });
  await using api = await openWebhookApi(rig);
  const { hostname, port } = new URL(api.posting.api.address);
  const open = (length: string): ReturnType<typeof connect> => {
    const socket = connect(Number(port), hostname);
    socket.write(`POST /webhooks/hook HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n${length}\r\n\r\n`);
    return socket;
  };
  const slow = open("Content-Length: 100");
  slow.write("only a part");
  const endless = open("Transfer-Encoding: chunked");
  endless.setEncoding("latin1").write(`7d0\r\n${"x".repeat(2_000)}\r\n`);
  const [refused] = (await once(endless, "data")) as [string];
  expect(refused).toMatch(/^HTTP\/1\.1 413 /);
  expect((await api.send("/webhooks/hook")).status).toBe(200);
  slow.destroy();
  endless.destroy();
  await expect
    .poll(async () =>
      query<{ reason: string }>(
        rig.database,
        "select reason from webhook_delivery where verdict = 'refused' order by reason",
      ),
    )
    .toEqual([{ reason: "body_incomplete" }, { reason: "size" }]);
});

test("a sender that reads no answer before it has sent everything learns that its body is too large", async () => {
  await using rig = await openRig();
  await insertWebhookRule(rig, "demo.hook", { path: "hook" });
  await using api = await openWebhookApi(rig);

  const answer = await postWithUrllib(`${api.posting.api.address}/webhooks/hook`, 27);

  expect(answer).toMatch(/^413 \{.*"code":"PAYLOAD_TOO_LARGE"\}$/);
  await expect.poll(() => rig.countOf("webhook_delivery where reason = 'size'")).toBe(1);
});

// Goal: an attacker must not fill the database through the log.
// Method: many forged requests to one agent, then a genuine one.
test("a flood of forged requests takes a few hundred rows, and loses no number", async () => {
  await using rig = await openRig();
  await insertWebhookRule(rig, "demo.hook", { path: "hook", bearer: "demo.key" });
  {
    await using api = await openWebhookApi(rig, { keys: { "demo.key": "genuine" } });
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => api.send("/webhooks/hook")));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    }
    const genuine = { authorization: "Bearer genuine" };
    expect((await api.send("/webhooks/hook", { headers: genuine })).status).toBe(200);
  }
  const [row] = await query<{ rows: number; requests: number }>(
    rig.database,
    `select count(*)::int as rows, sum(requests)::int as requests
       from webhook_delivery where verdict = 'refused'`,
  );
  expect(row?.requests).toBe(400);
  // How many beyond the first 200 depends on how fast the machine is.
  expect(row?.rows).toBeGreaterThanOrEqual(200);
  expect(row?.rows).toBeLessThan(400);
  expect(await rig.countOf("webhook_delivery where verdict = 'accepted' and requests = 1")).toBe(1);
});

async function sendOverTls(
  address: string,
  ca: string,
  client: { readonly cert: string; readonly key: string } | undefined,
): Promise<number | undefined> {
  const sent = request(`${address}/webhooks/hook`, {
    method: "POST",
    ca: readFileSync(ca),
    servername: "agent.test",
    agent: false,
    ...(client === undefined ? {} : { cert: readFileSync(client.cert), key: readFileSync(client.key) }),
  });
  sent.end();
  const [response] = (await once(sent, "response")) as [{ statusCode?: number; resume(): void }];
  response.resume();
  return response.statusCode;
}

test("a client certificate is demanded where a rule says so, of a trusted authority and with a name", async () => {
  await using rig = await openRig();
  await insertWebhookRule(rig, "demo.hook", { path: "hook", client_certificate: ["sender.test"] });
  using authority = openAuthority("servers");
  using clients = openAuthority("clients");
  using strangers = openAuthority("strangers");
  const own = authority.sign("agent.test");
  await using api = await openWebhookApi(rig, { listener: { tls: { ...own, clientCa: clients.ca } } });
  const status = (client?: { readonly cert: string; readonly key: string }) =>
    sendOverTls(api.posting.api.address, authority.ca, client);
  expect(await status()).toBe(401);
  expect(await status(clients.sign("sender.test"))).toBe(200);
  expect(await status(clients.sign("other.test"))).toBe(401);
  expect(await status(strangers.sign("sender.test"))).toBe(401);
});

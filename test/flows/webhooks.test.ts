/** A real agent that receives GitHub's pushes by the example pack, and shows what arrived. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { headersFor } from "../support/tokens.ts";
import { githubSignature } from "../support/webhook-api.ts";

const push = JSON.stringify({
  ref: "refs/heads/main",
  after: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
  deleted: false,
  repository: { id: 2_882_429_806_056, full_name: "octo/hello" },
  pusher: { name: "ada" },
});

test(
  "a push on GitHub fires the rule once, and the log tells who sent it",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "packs"),
      workerName: "one",
    });
    const environment = { ATTUNE__SECURITY__ENCRYPTION_KEY: randomBytes(32).toString("hex") };
    await using agent = await startAgent(folder, { environment });
    await ready(agent, folder);
    const headers = await headersFor("admin");
    const api = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
      const response = await fetch(`${folder.apiUrl}/api/v1${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = (await response.json()) as Record<string, unknown>;
      expect([response.status < 300, answer]).toEqual([true, answer]);
      return answer;
    };
    const send = async (secret: string, delivery: string, event = "push"): Promise<[number, unknown]> => {
      const response = await fetch(`${folder.apiUrl}/webhooks/github/push`, {
        method: "POST",
        headers: {
          ...githubSignature(secret, push),
          "content-type": "application/json",
          "x-github-delivery": delivery,
          "x-github-event": event,
        },
        body: push,
      });
      return [response.status, ((await response.json()) as { data?: unknown }).data];
    };

    await api("POST", "/triggers", { ref: "demo.keyed" });
    await api("POST", "/actions", { ref: "demo.deploy", label: "Deploy" });
    expect((await send("s", "0"))[0]).toBe(404);
    const params = { path: "github/push", preset: "github", secret: "github.secret" };
    const rule = { ref: "demo.push", trigger_ref: "core.webhook", action_ref: "demo.deploy", enabled: true };
    const conditions = [{ field: "headers.x-github-event", operator: "equals", value: "push" }];
    await api("POST", "/rules", { ...rule, trigger_params: params, conditions });
    // The rule is there, its secret is not: the sender should repeat its request.
    await expect.poll(async () => (await send("s", "0"))[0], { timeout: 10_000 }).toBe(503);
    await api("POST", "/keys", {
      ref: "github.secret",
      owner_type: "system",
      name: "GitHub",
      value: "s",
      encrypted: true,
    });
    await expect.poll(async () => (await send("s", "1"))[0], { timeout: 10_000 }).toBe(200);
    const [, first] = await send("s", "1");
    expect(first).toMatchObject({ deduplicated: true, delivery_id: "1" });
    expect((await send("forged", "2"))[0]).toBe(401);
    expect((await send("s", "3", "ping"))[0]).toBe(200);
    await expect
      .poll(() => query(fresh.database, "select rule_ref, event::int from enforcement"))
      .toEqual([{ rule_ref: "demo.push", event: (first as { event_id: number }).event_id }]);

    // Who doubled is a question with an answer.
    await expect
      .poll(async () => {
        const { items } = await api("GET", "/deliveries?delivery_id=1");
        return (items as { verdict: string; event_id: number }[]).map(({ verdict }) => verdict);
      })
      .toEqual(expect.arrayContaining(["duplicate", "accepted"]));
    const { items } = await api("GET", "/deliveries?verdict=refused&rule_ref=demo.push");
    const [refused] = items as Record<string, unknown>[];
    expect(refused).toMatchObject({ reason: "signature_wrong", delivery_id: "2", path: "github/push" });
    expect(await api("GET", `/deliveries/${String(refused?.["id"])}`)).toMatchObject({ data: refused });

    // It is a sensor as others are.
    await expect
      .poll(async () => (await api("GET", "/sensors/core.webhooks"))["data"], { timeout: 20_000 })
      .toMatchObject({ state: "running", worker_name: "one" });
    await expect
      .poll(async () => JSON.stringify(await api("GET", "/sensors/core.webhooks/logs")), { timeout: 20_000 })
      .toContain("answers POST /webhooks/github/push for demo.push");

    // A stranger writes no line of its own into the log.
    const forged = "x\n2026-01-01T00:00:00.000Z accepted POST /webhooks/github/push, delivery 9\u001b[2J";
    await fetch(`${folder.apiUrl}/webhooks/${encodeURIComponent(forged)}`, { method: "POST" });
    const lines = async (): Promise<readonly string[]> => {
      const response = await fetch(`${folder.apiUrl}/api/v1/sensors/core.webhooks/logs`, { headers });
      const { data } = (await response.json()) as { data: { lines: readonly { readonly text: string }[] } };
      return data.lines.map(({ text }) => text);
    };
    await expect
      .poll(lines, { timeout: 20_000 })
      .toContainEqual(
        expect.stringMatching(
          /^refused POST \/webhooks\/"x\\n2026.*delivery 9\\u001b\[2J" from \S+ \(404\): unknown_endpoint$/,
        ),
      );

    // A secret is replaced, a rule changed, and both at once for the sender.
    await api("PUT", "/keys/github.secret", { value: ["s2", "s"] });
    await expect.poll(async () => (await send("s2", "4"))[0], { timeout: 10_000 }).toBe(200);
    expect((await send("s", "5"))[0]).toBe(200);
    const unknown = await fetch(`${folder.apiUrl}/api/v1/rules/demo.push`, {
      method: "PATCH",
      headers,
      body: JSON.stringify({ trigger_params: { ...params, preset: "githab" } }),
    });
    expect([unknown.status, await unknown.text()]).toEqual([
      422,
      expect.stringContaining("trigger_params.preset"),
    ]);
    await api("POST", "/rules/demo.push/disable");
    await expect.poll(async () => (await send("s2", "6"))[0], { timeout: 10_000 }).toBe(404);
    await expect
      .poll(async () => (await api("GET", "/sensors/core.webhooks"))["data"], { timeout: 30_000 })
      .toMatchObject({ state: "stopped" });

    // A trigger's key needs no rule.
    const { data } = await api("POST", "/triggers/demo.keyed/webhooks/enable", {
      config: { bearer: "github.secret" },
    });
    const { webhook_key: key } = data as { webhook_key: string };
    const keyed = async (token: string): Promise<number> =>
      (
        await fetch(`${folder.apiUrl}/api/v1/webhooks/${key}`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}` },
          body: '{"payload":{"n":1}}',
        })
      ).status;
    await expect.poll(() => keyed("s2"), { timeout: 10_000 }).toBe(200);
    expect(await keyed("s3")).toBe(401);
  },
);

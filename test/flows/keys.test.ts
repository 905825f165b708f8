/** The key store of a real agent: with the key that an embedded installation makes, and what its log and files show. */
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { headersFor } from "../support/tokens.ts";

const secret = "plain-S3CRET-value-of-a-pack";

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test(
  "a value survives a restart, and is in no file and no log line in the clear",
  { timeout: 180_000 },
  async () => {
    await using folder = await agentFolder({
      databaseUrl: undefined,
      brokerUrl: undefined,
      packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
      workerName: "alone",
    });
    const environment = { ATTUNE__LOG__LEVEL: "debug" };
    const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`${folder.apiUrl}/api/v1/keys${path}`, { ...init, headers: await headersFor("admin") });
    {
      await using agent = await startAgent(folder, { environment });
      await ready(agent, folder, 60_000);
      const body = JSON.stringify({ ref: "jira.token", value: { token: secret } });
      expect((await ask("", { method: "POST", body })).status).toBe(201);
    }
    {
      await using agent = await startAgent(folder, { environment });
      await ready(agent, folder, 60_000);
      expect(await (await ask("/jira.token?decrypt=true")).json()).toMatchObject({
        data: { ref: "jira.token", value: { token: secret } },
      });
    }

    expect((await stat(join(folder.path, "data/encryption-key"))).mode & 0o777).toBe(0o600);
    for (const file of await filesBelow(folder.path)) {
      expect([file, (await readFile(file)).includes(secret)]).toEqual([file, false]);
    }
  },
);

test("the runs of a poll sensor read its keys with one token, which ends with the sensor", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const { database } = fresh;
  await insertTrigger(database, "fault.heard");
  const ref = "fault.keyed";
  await insertSensor(database, {
    ref,
    triggerRef: "fault.heard",
    protocol: "poll",
    runtimeRef: "core.sensor.nodejs",
    entrypoint: "keyed.mjs",
  });
  await query(database, "update sensor set poll_interval = 0.2");
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "one",
  });
  const environment = { ATTUNE__SECURITY__ENCRYPTION_KEY: randomBytes(32).toString("hex") };
  await using agent = await startAgent(folder, { environment });
  await ready(agent, folder);
  const body = { ref: `${ref}.secret`, owner_type: "sensor", owner_sensor_ref: ref, value: 7 };
  const posted = await fetch(`${folder.apiUrl}/api/v1/keys`, {
    method: "POST",
    headers: await headersFor("admin"),
    body: JSON.stringify(body),
  });
  expect(posted.status).toBe(201);
  await insertRule(database, { ref: "fault.rule", triggerRef: "fault.heard" });
  const payloads = async (): Promise<readonly { readonly token: string; readonly value: number }[]> =>
    (await query<{ payload: never }>(database, "select payload from event")).map(({ payload }) => payload);
  await expect.poll(async () => (await payloads()).length, { timeout: 30_000 }).toBeGreaterThan(2);
  const seen = await payloads();
  const token = seen[0]?.token ?? "";

  expect(seen).toEqual(seen.map(() => ({ token, value: 7 })));
  const status = async (): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${folder.apiUrl}/api/v1/keys/${ref}.secret`, { headers })).status;
  };
  expect(await status()).toBe(200);
  await query(database, "update rule set enabled = false");
  await expect.poll(status, { timeout: 30_000 }).toBe(401);
});

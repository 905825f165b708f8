/** The key store of a real agent: with the key that an embedded installation makes, and what its log and files show. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
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

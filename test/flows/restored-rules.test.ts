/**
 * Goal: after a backup is restored, an agent that knew newer rules judges events by the restored ones, and by those that are
 * changed after the restoration.
 * Method: a real agent; pg_dump, changes of every kind, and the dump read back into the database while the agent runs. The
 * agent's events are judged before, at once after, after further changes, and by an agent that was started anew.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { asSuperuser, freshDatabase } from "../support/postgres.ts";
import { backUpSchema, restoreSchema } from "../support/schema-backup.ts";
import { tokenFor } from "../support/tokens.ts";

const soon = { timeout: 20_000, interval: 50 };
const hostIs = (value: string): object => ({ field: "host", operator: "equals", value });

test("an agent that knew newer rules follows a restored database, also after further changes", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "demo.tick");
  await insertRule(database, { ref: "demo.changed", triggerRef: "demo.tick", conditions: [hostIs("old")] });
  await insertRule(database, { ref: "demo.deleted", triggerRef: "demo.tick" });
  await insertRule(database, { ref: "demo.disabled", triggerRef: "demo.tick" });
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: undefined,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "restored",
  });
  {
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    const dump = await backUpSchema(fresh.url);
    await query(database, "update rule set conditions = $1 where ref = 'demo.changed'", [
      JSON.stringify([hostIs("new")]),
    ]);
    await query(database, "delete from rule where ref = 'demo.deleted'");
    await query(database, "update rule set enabled = false where ref = 'demo.disabled'");
    await insertRule(database, { ref: "demo.added", triggerRef: "demo.tick" });
    await expect.poll(() => matchedBy(folder, "new"), soon).toEqual(["demo.added", "demo.changed"]);

    await restoreSchema(fresh.url, dump);

    await expect
      .poll(() => matchedBy(folder, "old"), soon)
      .toEqual(["demo.changed", "demo.deleted", "demo.disabled"]);
    expect(await matchedBy(folder, "new")).toEqual(["demo.deleted", "demo.disabled"]);

    // Others than those that the agent knew under its newer revisions.
    await query(database, "update rule set conditions = $1 where ref = 'demo.changed'", [
      JSON.stringify([hostIs("newer")]),
    ]);
    await query(database, "delete from rule where ref = 'demo.disabled'");
    await insertRule(database, { ref: "demo.late", triggerRef: "demo.tick" });
    await query(database, "update rule set label = 'Late' where ref = 'demo.late'");
    await expect
      .poll(() => matchedBy(folder, "newer"), soon)
      .toEqual(["demo.changed", "demo.deleted", "demo.late"]);
    expect(await matchedBy(folder, "new")).toEqual(["demo.deleted", "demo.late"]);
    await agent.assertRunning();
  }

  await using again = await startAgent(folder);
  await ready(again, folder);
  expect(await matchedBy(folder, "newer")).toEqual(["demo.changed", "demo.deleted", "demo.late"]);
  expect(await tombstones(fresh.url)).toEqual(["demo.disabled"]);
}, 180_000);

/** Refs of the rules that match an event posted now. */
async function matchedBy({ apiUrl }: AgentFolder, host: string): Promise<readonly string[]> {
  const headers = {
    authorization: `Bearer ${await tokenFor("admin")}`,
    "content-type": "application/json",
  };
  const posted = await fetch(`${apiUrl}/api/v1/events`, {
    method: "POST",
    headers,
    body: JSON.stringify({ trigger_ref: "demo.tick", payload: { host } }),
  });
  if (posted.status !== 201) return [`status ${posted.status}`];
  const { data } = (await posted.json()) as { readonly data: { readonly id: number } };
  const listed = await fetch(`${apiUrl}/api/v1/enforcements?event=${data.id}`, { headers });
  const { items } = (await listed.json()) as { readonly items: readonly { readonly rule_ref: string }[] };
  return items.map(({ rule_ref: ref }) => ref).toSorted();
}

async function tombstones(url: string): Promise<readonly string[]> {
  return await asSuperuser(async (client) => {
    const { rows } = await client.query<{ rule_ref: string }>("select rule_ref from attune.rule_tombstone");
    return rows.map(({ rule_ref: ref }) => ref);
  }, url);
}

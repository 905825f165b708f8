/**
 * The pack logwatch under a running agent: its events, checkpoints and gaps over rotations, with the agent running and
 * stopped.
 */
import { appendFile, copyFile, open, readFile, rename, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { loadPacks } from "../../src/packs/load-packs.ts";
import { readPacks } from "../../src/packs/read-packs.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

const waiting = { timeout: 40_000, interval: 50 };

test(
  "a log's lines become events once and in order over every rotation, and what is lost is one event",
  {
    timeout: 240_000,
  },
  async () => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    const packsDirectory = join(repositoryRoot, "packs");
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory,
      workerName: "rotation",
    });
    const path = join(folder.path, "app.log");
    await writeFile(path, "1\n");
    const { packs } = await readPacks(["core", "logwatch"].map((name) => join(packsDirectory, name)));
    await loadPacks(fresh.database, packs);
    await query(fresh.database, "update sensor set config = config || $1::jsonb", [JSON.stringify({ path })]);
    const payloads = async <T>(triggerRef: string, key: string): Promise<readonly T[]> =>
      (
        await query<{ readonly value: T }>(
          fresh.database,
          "select payload -> $2 as value from event where trigger_ref = $1 order by id",
          [triggerRef, key],
        )
      ).map(({ value }) => value);
    const lines = (): Promise<readonly string[]> => payloads("logwatch.line", "line");
    const gaps = (): Promise<readonly number[]> => payloads("logwatch.gap", "offset");

    {
      await using agent = await startAgent(folder);
      await ready(agent, folder);
      await expect.poll(lines, waiting).toEqual(["1"]);
      await using writer = await open(path, "r+");
      await writer.write("2\n3\n", 2);
      await copyFile(path, `${path}.1`);
      await truncate(path);
      await writer.write("after the truncation\n", 5_000_000);
      await expect.poll(lines, waiting).toEqual(["1", "2", "3", "after the truncation"]);
    }
    await appendFile(path, "4\n");
    await rename(path, `${path}-20260130`);
    await writeFile(`${path}-20260131`, "5\n");
    await writeFile(path, "6\n");
    {
      await using agent = await startAgent(folder);
      await ready(agent, folder);
      await expect.poll(lines, waiting).toEqual(["1", "2", "3", "after the truncation", "4", "5", "6"]);
    }
    expect(await gaps()).toEqual([]);
    await appendFile(path, "lost\n");
    await unlink(path);
    {
      await using agent = await startAgent(folder);
      await ready(agent, folder);
      await expect.poll(gaps, waiting).toEqual([2]);
      const log = await readFile(join(folder.path, "logs/logwatch.lines.log"), "utf8");
      expect(log).toMatch(/was rotated, and the rotated file no longer exists: any lines after byte 2 /);
    }
    await writeFile(path, "7\n");
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    await expect.poll(async () => (await lines()).at(-1), waiting).toBe("7");
    expect(await lines()).not.toContain("lost");
    expect(await gaps()).toEqual([2]);
  },
);

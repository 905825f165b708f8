import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { expect, test } from "vitest";
import { freePort } from "../../scripts/services/free-port.ts";
import { startPostgres } from "../../scripts/services/postgres.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

test("a private cluster is durable, keeps its rows through a kill, and leaves nothing behind", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-postgres-"));
  await using server = await startPostgres({ directory: directory.path, port: await freePort() });

  expect(
    await rows(server.url, "select current_setting('fsync') || current_setting('synchronous_commit') as x"),
  ).toEqual([{ x: "onon" }]);
  await rows(server.url, "create table kept as select 1 as x");

  await server.kill();
  expect(server.pid).toBeUndefined();
  await server.start();
  expect(await rows(server.url, "select x from kept")).toEqual([{ x: 1 }]);

  await server.stop("immediate");
  await server.start();
  const { pid } = server;
  await server.stop();
  expect(isRunning(pid ?? 0)).toBe(false);
});

async function rows(connectionString: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

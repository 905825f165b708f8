import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { emptyDatabase } from "../support/postgres.ts";

const execute = promisify(execFile);

test("a URL opens PostgreSQL, and the embedded one is not loaded", async () => {
  await using empty = await emptyDatabase();

  expect(await opened(empty.url, "")).toEqual({ kind: "postgresql", loaded: ["pg"] });
});

test("no URL opens the embedded one, and the driver of the other is not loaded", async () => {
  const directory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));

  expect(await opened("", directory)).toEqual({ kind: "embedded", loaded: ["@electric-sql/pglite"] });
});

async function opened(url: string, directory: string): Promise<unknown> {
  const program = join(import.meta.dirname, "fixtures/loaded-drivers.ts");
  const { stdout } = await execute(process.execPath, [program, url, directory]);
  return JSON.parse(stdout);
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { freshDatabase } from "../../support/postgres.ts";

const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];

// As `kubectl exec … kill -USR2 1` does it.
test("SIGUSR2 to process 1 of a container turns debug lines on", async () => {
  await using fresh = await freshDatabase();
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-process-1-"));
  const executable = join(repositoryRoot, "dist/attune-sensor-agent");
  const namespace = spawn(
    "/usr/bin/unshare",
    [...asRoot, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", executable, "--name", "first"],
    {
      cwd: directory.path,
      env: { ...process.env, DATABASE_URL: fresh.url, ATTUNE__API__PORT: "0" },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const ended = once(namespace, "exit");
  let said = "";
  namespace.stderr.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  await expect.poll(() => said, { timeout: 30_000 }).toContain("registered worker first");
  const process1 = Number(
    readFileSync(`/proc/${namespace.pid}/task/${namespace.pid}/children`, "utf8").split(" ")[0],
  );

  process.kill(process1, "SIGUSR2");
  await expect.poll(() => said, { timeout: 20_000 }).toContain("SIGUSR2: log level is now debug");
  process.kill(process1, "SIGTERM");

  expect(await ended).toEqual([0, null]);
});

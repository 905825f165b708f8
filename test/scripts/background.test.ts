import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

// The functions behind start-, stop- and status-all-services.sh, with a little program for a service.

const steady = `console.log("Steady is ready at nowhere"); setInterval(() => {}, 60_000);`;

test("a service started twice is one process, and stopping it leaves neither process nor pid file", async () => {
  await using folder = await folderWith(steady);

  await shell(folder.path, "start_service agent; wait_until_ready agent says_ready agent");
  const pid = await readFile(join(folder.path, "logs/agent.pid"), "utf8");
  expect(await shell(folder.path, "start_service agent")).toContain(`already running (pid ${pid.trim()})`);
  expect(await shell(folder.path, "running_pid agent")).toBe(pid);

  expect(await shell(folder.path, "stop_service agent; stop_service agent")).toBe(
    "agent: stopped\nagent: not running\n",
  );
  expect(isRunning(Number(pid))).toBe(false);
  expect(existsSync(join(folder.path, "logs/agent.pid"))).toBe(false);
});

test("a pid file that names another program is not believed, and that program is left alone", async () => {
  await using folder = await folderWith(steady);
  await mkdir(join(folder.path, "logs"));
  await writeFile(join(folder.path, "logs/agent.pid"), `${process.pid}\n`);

  expect(await shell(folder.path, "stop_service agent")).toBe("agent: not running\n");

  expect(await shell(folder.path, "start_service agent; stop_service agent")).toContain("agent: stopped");
});

test("a service that ends while it starts is a failure that shows the end of its log", async () => {
  await using folder = await folderWith(`console.error("no room"); process.exit(1);`);

  const started = shell(folder.path, "start_service agent; wait_until_ready agent says_ready agent");

  await expect(started).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("no room") });
  expect(existsSync(join(folder.path, "logs/agent.pid"))).toBe(false);
});

async function folderWith(program: string) {
  const folder = await mkdtempDisposable(join(tmpdir(), "attune-background-"));
  await writeFile(join(folder.path, "steady.mjs"), program);
  return folder;
}

async function shell(folder: string, commands: string): Promise<string> {
  const source = `source ${repositoryRoot}/scripts/services/background.sh; program[agent]=steady.mjs`;
  const args = ["-c", `set -euo pipefail; ${source}; ${commands}`];
  const { stdout } = await promisify(execFile)("bash", args, { cwd: folder });
  return stdout;
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { processStat, readProcessStat } from "../../src/files/process-stat.ts";

test("a process is read with its group and its start, whichever way", async () => {
  const stat = processStat(process.pid);

  expect(stat).toEqual({
    isAlive: true,
    group: expect.any(Number),
    startTime: expect.stringMatching(/^\d+$/),
  });
  expect(await readProcessStat(process.pid)).toEqual(stat);
});

test("a program's name with spaces and parentheses shifts no field", async () => {
  const directory = await mkdtemp(join(tmpdir(), "stat-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const program = join(directory, "a) Z 1 (b");
  await copyFile("/bin/sleep", program);
  const child = spawn(program, ["60"], { detached: true, stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");

  const { pid = 0 } = child;

  await expect.poll(() => processStat(pid)).toMatchObject({ isAlive: true, group: pid });
});

test("a number that no process has is undefined", async () => {
  const beyondAll = 4_194_305;

  expect(processStat(beyondAll)).toBeUndefined();
  expect(await readProcessStat(beyondAll)).toBeUndefined();
});

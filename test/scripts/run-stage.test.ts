import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runStage } from "../../scripts/checks/run-stage.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

const { signal } = new AbortController();
const stage = { name: "stage", env: {}, signal };

test.each([
  ["ends with 0", "exit 0", true],
  ["ends with another code", "exit 3", false],
  ["is ended by a signal", "kill -9 $$", false],
])("a program that %s passes or fails accordingly", async (_, script, passed) => {
  expect(await runStage({ ...stage, file: "sh", args: ["-c", script] })).toMatchObject({
    name: "stage",
    passed,
  });
});

test("a program that cannot be started has failed", async () => {
  expect(await runStage({ ...stage, file: "there-is-no-such-program", args: [] })).toMatchObject({
    passed: false,
  });
});

test("an interruption ends the program and what it started", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-stage-"));
  const pidFile = join(directory.path, "pid");
  const interruption = new AbortController();
  const script = `sleep 300 & echo $! > ${pidFile}; wait`;

  const running = runStage({ ...stage, file: "sh", args: ["-c", script], signal: interruption.signal });
  await expect.poll(() => readFile(pidFile, "utf8").catch(() => "")).toMatch(/\d+\n/);
  interruption.abort();

  expect(await running).toMatchObject({ passed: false });
  const descendant = (await readFile(pidFile, "utf8")).trim();
  await expect.poll(() => isRunning(Number(descendant))).toBe(false);
});

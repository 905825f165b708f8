import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { runStage } from "../../scripts/checks/run-stage.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

const { signal } = new AbortController();

/** What a stage tells is kept from the output of the tests, where a failure would be taken for one. */
let told = "";
const output = { write: (text: string) => (told += text) !== "" };
const stage = { name: "stage", env: {}, signal, output };

beforeEach(() => {
  told = "";
});

test.each([
  ["ends with 0", "exit 0", true, "passed"],
  ["ends with another code", "exit 3", false, "failed with 3"],
  ["is ended by a signal", "kill -9 $$", false, "ended by SIGKILL"],
])(
  "a program that %s passes or fails accordingly, and the result is reported",
  async (_, script, passed, ending) => {
    expect(await runStage({ ...stage, file: "sh", args: ["-c", script] })).toMatchObject({
      name: "stage",
      passed,
    });
    expect(told).toContain(`── stage: ${ending} (`);
  },
);

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

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { CommandResult } from "../../src/processes/run-command.ts";
import { runTogether } from "../../src/processes/run-together.ts";
import { buildConfine } from "../build/packed-probe.ts";

const folder = mkdtempSync(join(tmpdir(), "attune-together-"));
afterAll(() => rmSync(folder, { recursive: true }));

const env = { PATH: "/usr/bin:/bin" };
const limits = { timeoutMs: 5_000, outputBytesMax: 10_000 };

function sh(...scripts: readonly string[]) {
  return scripts.map((script) => ({ file: "/bin/sh", args: ["-c", script], env, ...limits }));
}

function outputs(results: readonly CommandResult[]): readonly unknown[] {
  return results.map((result) => ("stdout" in result ? result.stdout : result));
}

test("results are in the order of the commands, whichever ends first", () => {
  const commands = sh("sleep 0.3; echo slow", "echo quick", "sleep 0.1; echo middling", "echo last");

  expect(outputs(runTogether(commands, 2))).toEqual(["slow\n", "quick\n", "middling\n", "last\n"]);
});

// Goal: as many as allowed run at a time, and no more.
// Method: each creates a file while it runs, and counts the existing ones.
test("as many run at a time as is allowed", () => {
  const place = join(folder, "at-a-time");
  const script = `mkdir -p ${place}; : > ${place}/$$; sleep 0.3; ls ${place} | wc -l; rm ${place}/$$`;

  const counts = outputs(runTogether(sh(...Array<string>(7).fill(script)), 3)).map(Number);

  expect(Math.max(...counts)).toBe(3);
});

test("no commands give no results", () => {
  expect(runTogether([], 3)).toEqual([]);
});

test("a command that hangs blocks no other", () => {
  const [hanging, ...others] = runTogether(
    [
      ...sh("exec sleep 300").map((command) => ({ ...command, timeoutMs: 1_000 })),
      ...sh(...Array<string>(20).fill("echo $$")),
    ],
    2,
  );

  expect(hanging).toMatchObject({ kind: "timed-out" });
  expect(others.map(({ kind }) => kind)).toEqual(Array(20).fill("exited"));
});

test("neither descriptors nor dead processes are left", () => {
  const before = readdirSync("/proc/self/fd").length;

  const results = runTogether(
    [
      ...sh("echo $$", "echo $$; kill -KILL $$", "echo $$; sleep 300", "echo $$; setsid sleep 1 &").map(
        (command) => ({ ...command, timeoutMs: 200 }),
      ),
      { file: "/no/such/program", args: [], env, ...limits },
    ],
    3,
  );

  expect(results.map(({ kind }) => kind)).toEqual([
    "exited",
    "signalled",
    "timed-out",
    "exited",
    "unstarted",
  ]);
  const pids = outputs(results.slice(0, 4)).map(Number);
  expect(pids.filter((pid) => !(pid > 1) || existsSync(`/proc/${pid}`))).toEqual([]);
  expect(readdirSync("/proc/self/fd")).toHaveLength(before);
});

/** In a Node of its own, under conditions of test/fixtures/native/confine.c. */
function confined(conditions: readonly string[], script: string): unknown {
  const confine = join(folder, "confine");
  if (!existsSync(confine)) buildConfine(confine);
  const module = JSON.stringify(join(import.meta.dirname, "../../src/processes/run-together.ts"));
  const text = `
    const { runTogether } = await import(${module});
    const sh = (script) =>
      ({ file: "/bin/sh", args: ["-c", script], env: {}, timeoutMs: 2_000, outputBytesMax: 100 });
    ${script}`;
  const node = [process.execPath, "--no-warnings", "--input-type=module", "--eval", text];
  const [file = "", ...args] = [...conditions.flatMap((condition) => [confine, condition]), ...node];
  return JSON.parse(execFileSync(file, args, { encoding: "utf8", timeout: 20_000 }));
}

test("ended programs are detected even if the kernel does not report them", () => {
  const script = `
    const scripts = ["echo one; sleep 0.1; exec >&- 2>&-; sleep 0.1; exit 3", "echo two", "sleep 300"];
    console.log(JSON.stringify(runTogether(scripts.map(sh), 2)));`;

  expect(confined(["no-pidfd"], script)).toEqual([
    { kind: "exited", code: 3, stdout: "one\n", stderr: "" },
    { kind: "exited", code: 0, stdout: "two\n", stderr: "" },
    { kind: "timed-out", stdout: "", stderr: "" },
  ]);
});

test("the end of a child is detected even if this process inherited an ignored SIGCHLD", () => {
  const script = `console.log(JSON.stringify(runTogether([sh("exit 3")], 2)));`;

  expect(confined(["children-ignored"], script)).toMatchObject([{ kind: "exited", code: 3 }]);
});

// Goal: a lack of descriptors is distinguished from a program that cannot be started, and none is leaked.
// Method: all but a number of them are taken, from none to more than enough.
test("with too few descriptors a command is unstarted for want of them, and nothing leaks", () => {
  const script = `
    const { closeSync, openSync } = await import("node:fs");
    const taken = [];
    try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {}
    const told = [];
    for (let left = 0; left <= 6; left += 1) {
      const [result] = runTogether([sh("exit 3")], 1);
      told.push(result.cause?.code ?? result.code);
      closeSync(taken.pop());
    }
    console.log(JSON.stringify(told));`;

  expect(confined(["28-descriptors"], script)).toEqual(["EMFILE", "EMFILE", "EMFILE", "EMFILE", 3, 3, 3]);
});

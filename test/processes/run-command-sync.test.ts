import { expect, test } from "vitest";
import { runCommandSync, type CommandResult } from "../../src/processes/run-command-sync.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

function sh(script: string, limits: { timeoutMs?: number; outputBytesMax?: number } = {}): CommandResult {
  const { timeoutMs = 5_000, outputBytesMax = 10_000 } = limits;
  return runCommandSync({ file: "/bin/sh", args: ["-c", script], env: {}, timeoutMs, outputBytesMax });
}

test("a command's code and both its outputs are returned", () => {
  const result = sh("echo out; echo err >&2; exit 3");

  expect(result).toEqual({ kind: "exited", code: 3, stdout: "out\n", stderr: "err\n" });
});

test("a command gets the given environment and nothing of the agent's", () => {
  const result = runCommandSync({
    file: "/usr/bin/env",
    args: [],
    env: { ONLY: "this" },
    timeoutMs: 5_000,
    outputBytesMax: 10_000,
  });

  expect(result).toMatchObject({ stdout: "ONLY=this\n" });
});

test("a command that ends by a signal says which", () => {
  expect(sh("kill -TERM $$")).toMatchObject({ kind: "signalled", signal: "SIGTERM" });
});

test("a command that hangs is killed at its time limit together with what it forked", async () => {
  const result = sh("sleep 300 & echo $!; wait", { timeoutMs: 200 });

  expect(result).toMatchObject({ kind: "timed-out" });
  const forked = Number(result.kind === "timed-out" && result.stdout);
  await expect.poll(() => isRunning(forked)).toBe(false);
});

test("a command that ignores SIGTERM and hangs is killed all the same", () => {
  expect(sh("trap '' TERM; while :; do :; done", { timeoutMs: 200 })).toMatchObject({ kind: "timed-out" });
});

test("a command that prints without end is killed at its output limit, and its first output kept", () => {
  const result = sh("while :; do echo line; done", { outputBytesMax: 1_000 });

  expect(result.kind).toBe("overflowed");
  expect(result.kind === "overflowed" && result.stdout.startsWith("line\nline\n")).toBe(true);
});

test("a command that does not exist is a value with its cause", () => {
  const result = runCommandSync({
    file: "/nonexistent/interpreter",
    args: [],
    env: {},
    timeoutMs: 1_000,
    outputBytesMax: 1_000,
  });

  expect(result).toMatchObject({ kind: "unstarted", cause: { code: "ENOENT" } });
});

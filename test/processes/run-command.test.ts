import { expect, test } from "vitest";
import { runCommand } from "../../src/processes/run-command.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

function sh(
  script: string,
  limits: { timeoutMs?: number; outputBytesMax?: number } = {},
  signal?: AbortSignal,
) {
  const { timeoutMs = 5_000, outputBytesMax = 10_000 } = limits;
  const command = {
    file: "/bin/sh",
    args: ["-c", script],
    env: { PATH: "/usr/bin:/bin" },
    timeoutMs,
    outputBytesMax,
  };
  return runCommand(command, signal);
}

test("a command's code and both its outputs are returned", async () => {
  expect(await sh("echo out; echo err >&2; exit 3")).toEqual({
    kind: "exited",
    code: 3,
    stdout: "out\n",
    stderr: "err\n",
  });
});

test("a command gets the given environment and nothing of the agent's", async () => {
  const limits = { timeoutMs: 5_000, outputBytesMax: 10_000 };
  const result = await runCommand({ file: "/usr/bin/env", args: [], env: { ONLY: "this" }, ...limits });

  expect(result).toMatchObject({ stdout: "ONLY=this\n" });
});

test("a command that ends by a signal says which", async () => {
  expect(await sh("kill -TERM $$")).toMatchObject({ kind: "signalled", signal: "SIGTERM" });
});

test("a command that hangs is ended at its time limit together with what it forked", async () => {
  const result = await sh("trap '' TERM; sleep 300 & echo $!; while :; do sleep 0.02; done", {
    timeoutMs: 100,
  });

  expect(result.kind).toBe("timed-out");
  const forked = Number(result.kind === "timed-out" && result.stdout);
  expect(isRunning(forked)).toBe(false);
});

test("a command can be interrupted", async () => {
  const interrupt = new AbortController();
  const result = sh("sleep 300", { timeoutMs: 60_000 }, interrupt.signal);

  interrupt.abort();

  expect(await result).toMatchObject({ kind: "timed-out" });
});

test("a command that prints without end is ended at its output limit, and its first output kept", async () => {
  const result = await sh("while :; do echo line; done", { outputBytesMax: 1_000 });

  expect(result.kind === "overflowed" && result.stdout.length).toBe(1_000);
});

test("a command that does not exist is a value with its cause", async () => {
  const command = { file: "/no/such/program", args: [], env: {}, timeoutMs: 1_000, outputBytesMax: 1_000 };

  expect(await runCommand(command)).toMatchObject({ kind: "unstarted", cause: { code: "ENOENT" } });
});

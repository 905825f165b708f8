/** Of both ways to run a command within limits what they have in common. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type BoundedCommand, type CommandResult, runCommand } from "../../src/processes/run-command.ts";
import { runTogether } from "../../src/processes/run-together.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

const limits = { timeoutMs: 5_000, outputBytesMax: 10_000 };

function shellCommand(script: string, of: Partial<BoundedCommand> = {}): BoundedCommand {
  return { file: "/bin/sh", args: ["-c", script], env: { PATH: "/usr/bin:/bin" }, ...limits, ...of };
}

const ways: readonly (readonly [string, (command: BoundedCommand) => Promise<CommandResult>])[] = [
  ["while other things happen", runCommand],
  [
    "while nothing else happens",
    async (command) => {
      const [result] = runTogether([command], 1);
      if (result === undefined) throw new Error("there is no result");
      return result;
    },
  ],
];

describe.each(ways)("%s", (_, run) => {
  const sh = (script: string, of?: Partial<BoundedCommand>): Promise<CommandResult> =>
    run(shellCommand(script, of));

  test("a command's code and both its outputs are returned", async () => {
    expect(await sh("echo out; echo err >&2; exit 3")).toEqual({
      kind: "exited",
      code: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  test("a command gets the given environment and nothing of the agent's", async () => {
    const result = await run({
      file: "/usr/bin/env",
      args: [],
      env: { ONLY: "this", TOO: "größer" },
      ...limits,
    });

    expect(result).toMatchObject({ stdout: "ONLY=this\nTOO=größer\n" });
  });

  test("a command gets its arguments as they are", async () => {
    const args = ["-c", `printf '<%s>' "$@"`, "sh", "", "two words", "größer", "-"];

    expect(await run(shellCommand("", { args }))).toMatchObject({ stdout: "<><two words><größer><->" });
  });

  test("a command that ends by a signal reports it", async () => {
    expect(await sh("kill -TERM $$")).toMatchObject({ kind: "signalled", signal: "SIGTERM" });
  });

  test("a command that hangs is ended at its time limit together with what it forked", async () => {
    const script = "trap '' TERM; sleep 300 & echo $!; while :; do sleep 0.02; done";
    const result = await sh(script, { timeoutMs: 100 });

    expect(result.kind).toBe("timed-out");
    const forked = Number(result.kind === "timed-out" && result.stdout);
    await expect.poll(() => isRunning(forked)).toBe(false);
  });

  test("processes that a command leaves behind are ended", async () => {
    const result = await sh("sleep 300 > /dev/null 2>&1 & echo $!");

    expect(result).toMatchObject({ kind: "exited", code: 0 });
    const forked = Number(result.kind === "exited" && result.stdout);
    await expect.poll(() => isRunning(forked)).toBe(false);
  });

  test("a process that keeps a command's output open does not delay the result", async () => {
    // It is gone only once its session is its own; the group is ended with the command.
    const escaped = 'until [ "$(cut -d " " -f 6 /proc/$!/stat)" = $! ]; do :; done';
    const result = await sh(`setsid sleep 300 & echo $!; ${escaped}`);

    expect(result).toMatchObject({ kind: "exited", code: 0 });
    process.kill(Number(result.kind === "exited" && result.stdout), "SIGKILL");
  });

  test("a command that prints without end is ended at its output limit, and its first output kept", async () => {
    const result = await sh("while :; do echo line; done", { outputBytesMax: 1_000 });

    expect(result.kind === "overflowed" && result.stdout.length).toBe(1_000);
  });

  test("a command that ends right after it has printed too much has printed too much", async () => {
    for (let time = 0; time < 20; time += 1) {
      expect(await sh("head -c 70000 /dev/zero", { outputBytesMax: 65_536 })).toMatchObject({
        kind: "overflowed",
      });
    }
  });

  test("a script that names no interpreter is the shell's", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "attune-script-")), "script");
    onTestFinished(() => rmSync(dirname(file), { recursive: true }));
    writeFileSync(file, 'echo "$0: $1"\n', { mode: 0o755 });

    expect(await run(shellCommand("", { file, args: ["one"] }))).toMatchObject({ stdout: `${file}: one\n` });
  });

  test("a command that prints more than a pipe holds is read to its end", async () => {
    const result = await sh("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", {
      outputBytesMax: 300_000,
    });

    expect(result).toMatchObject({ kind: "exited", code: 0 });
    expect(result.kind === "exited" && [result.stdout.length, result.stderr.length]).toEqual([
      300_000, 300_000,
    ]);
  });

  test.each([
    ["does not exist", { file: "/no/such/program" }, "ENOENT"],
    ["may not be run", { file: "/etc/passwd" }, "EACCES"],
    ["has too many arguments", { args: ["x".repeat(4_000_000)] }, "E2BIG"],
  ])("a command that %s is a value with its cause", async (_cause, of, code) => {
    expect(await sh("true", of)).toMatchObject({ kind: "unstarted", cause: { code } });
  });

  test("a command begins with no input, in a session of its own, and obeys every signal", async () => {
    const result = await sh(
      "cat; grep -E '^Sig(Blk|Ign)' /proc/self/status; cat /proc/$$/stat; ls /proc/self/fd",
    );

    const [blocked, ignored, stat = "", ...descriptors] = outputOf(result).trimEnd().split("\n");
    expect([blocked, ignored]).toEqual(["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"]);
    const [pid, , , , group, session] = stat.split(" ");
    expect([group, session]).toEqual([pid, pid]);
    const ofAnyChild = execFileSync("/bin/ls", ["/proc/self/fd"], { encoding: "utf8" });
    expect(descriptors.join("\n")).toBe(ofAnyChild.trimEnd());
  });
});

test("a command can be interrupted while other things happen", async () => {
  const interrupt = new AbortController();
  const result = runCommand(shellCommand("sleep 300", { timeoutMs: 60_000 }), interrupt.signal);

  interrupt.abort();

  expect(await result).toMatchObject({ kind: "timed-out" });
});

function outputOf(result: CommandResult): string {
  if (result.kind === "unstarted") throw result.cause;
  return result.stdout;
}

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { startChild, type Child, type ChildCommand } from "../../src/processes/child.ts";
import { linesOf, type Line } from "../../src/processes/lines.ts";
import { explainSpawnFailure } from "../../src/processes/spawn-failure.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

const folder = mkdtempSync(join(tmpdir(), "attune-child-"));
afterAll(() => rmSync(folder, { recursive: true }));

const path = { PATH: "/usr/bin:/bin" };

async function sh(script: string, options: Partial<ChildCommand> = {}): Promise<Child> {
  const start = await startChild({
    file: "/bin/sh",
    args: ["-c", script],
    env: path,
    graceMs: 2_000,
    ...options,
  });
  if (start.kind === "unstarted") throw start.cause;
  return start.child;
}

async function* eachLine(child: Child): AsyncGenerator<Line> {
  for await (const batch of linesOf(child.stdout, 100)) yield* batch;
}

async function next(lines: AsyncGenerator<Line>): Promise<string> {
  const { value } = await lines.next();
  return typeof value === "string" ? value : "";
}

test("a child's code or signal is its exit", async () => {
  await using exiting = await sh("exit 7");
  await using killed = await sh("kill -KILL $$");

  expect(await exiting.exit).toEqual({ kind: "exited", code: 7 });
  expect(await killed.exit).toEqual({ kind: "signalled", signal: "SIGKILL" });
});

test("a child has no stdin to wait for and only the given environment", async () => {
  await using child = await sh("cat; env", { env: { ...path, ONLY: "this" } });

  const lines = (await Array.fromAsync(linesOf(child.stdout, 1_000))).flat();

  expect(lines).toContain("ONLY=this");
  // The shell sets PWD and similar variables itself.
  expect(lines).not.toContain(`HOME=${process.env["HOME"]}`);
});

test("a child opens its outputs by name", async () => {
  await using child = await sh(
    "echo out > /dev/stdout; echo log > /dev/stderr; echo more >> /proc/self/fd/1",
  );

  const [output, log] = await Promise.all(
    [child.stdout, child.stderr].map((pipe) => Array.fromAsync(linesOf(pipe, 100))),
  );

  expect(output?.flat()).toEqual(["out", "more"]);
  expect(log?.flat()).toEqual(["log"]);
  expect(await child.exit).toEqual({ kind: "exited", code: 0 });
});

test("output that nobody reads does not hold up the end", async () => {
  await using child = await sh("echo unread; echo unread >&2");

  await child.closed;

  expect(await child.exit).toEqual({ kind: "exited", code: 0 });
});

test("a reader that waits holds the child up, and loses nothing", async () => {
  await using child = await sh("seq 1 200000; echo done >&2");
  const log = Array.fromAsync(linesOf(child.stderr, 100));
  child.stdout.pause();
  await expect.poll(() => child.stdout.readableLength).toBeGreaterThan(0);
  const heldBytes = child.stdout.readableLength;
  await sleep(100);
  expect(child.stdout.readableLength).toBe(heldBytes);

  const lines = (await Array.fromAsync(linesOf(child.stdout, 100))).flat();

  expect([lines.length, lines.at(-1)]).toEqual([200_000, "200000"]);
  expect((await log).flat()).toEqual(["done"]);
});

// Goal: whatever becomes of a start, its pipes are closed.
// Method: a program of its own with few descriptors uses all of them up, then sets one after the other free.
test("no descriptor is left behind, whether a start fails or not", async () => {
  const starter = join(import.meta.dirname, "../fixtures/processes/scarce-descriptors.ts");
  const run = spawnSync(
    "/bin/sh",
    ["-c", 'ulimit -n 60; exec "$@"', "sh", process.execPath, "--no-warnings", starter],
    { encoding: "utf8" },
  );

  expect(run.stderr).toBe("");
  const { left, outcomes } = JSON.parse(run.stdout);
  expect(left).toEqual([]);
  expect([outcomes.at(0), outcomes.at(-1)]).toEqual(["EMFILE", "started"]);
  expect(new Set(outcomes)).toEqual(new Set(["EMFILE", "started"]));
});

test("leaving the scope gives the child its grace", async () => {
  let child: Child;
  {
    await using scoped = await sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done");
    child = scoped;
    await once(child.stdout, "data");
    child.stdout.resume();
  }

  expect(await child.exit).toEqual({ kind: "exited", code: 5 });
});

test("leaving the scope kills a child that ignores SIGTERM", async () => {
  let child: Child;
  {
    await using scoped = await sh("trap '' TERM; echo ready; while :; do sleep 0.01; done", { graceMs: 100 });
    child = scoped;
    await once(child.stdout, "data");
    child.stdout.resume();
  }

  expect(await child.exit).toEqual({ kind: "signalled", signal: "SIGKILL" });
  expect(isRunning(child.pid)).toBe(false);
});

test("descendants that outlive the child and ignore SIGTERM are killed after its grace", async () => {
  const descendantScript = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
  await using child = await sh(`(${descendantScript}) & echo $!; wait`, { graceMs: 100 });
  const lines = eachLine(child);
  const first = [await next(lines), await next(lines)];
  const descendant = Number(first.find((line) => line !== "ready"));

  process.kill(child.pid, "SIGKILL");
  await child.closed;

  expect(isRunning(descendant)).toBe(false);
});

test("a program inside a wrapper that dies at once still has its grace", async () => {
  const inner = `trap 'sleep 0.2; echo finished; exit 0' TERM; echo ready; while :; do sleep 0.01; done`;
  await using child = await sh(`(${inner}) & wait`);
  const lines = eachLine(child);
  await next(lines);

  child.stop();
  const rest = await Array.fromAsync(lines);

  expect(await child.exit).toEqual({ kind: "signalled", signal: "SIGTERM" });
  expect(rest).toEqual(["finished"]);
});

const escape = `setsid sh -c 'echo $$; exec sleep 300'`;

test("a descendant that left the group is found by its marker", async () => {
  const value = crypto.randomUUID();
  await using child = await sh(`${escape} & wait`, {
    env: { ...path, TEST_MARKER: value },
    marker: `TEST_MARKER=${value}`,
  });
  const escaped = Number(await next(eachLine(child)));

  child.kill();
  await child.exit;
  expect(isRunning(escaped)).toBe(true);
  await child.closed;

  await expect.poll(() => isRunning(escaped)).toBe(false);
});

test("a pipe held by an untraceable process does not delay the end", async () => {
  await using child = await sh(`${escape} & wait`);
  const lines = eachLine(child);
  const escaped = Number(await next(lines));

  child.kill();
  const rest = await Array.fromAsync(lines);
  await child.closed;

  expect(rest).toEqual([]);
  expect(isRunning(escaped)).toBe(true);
  process.kill(escaped, "SIGKILL");
});

test("a reader slower than the end of the child gets every line", async () => {
  await using child = await sh("seq 1 20000");
  const seen: Line[] = [];

  for await (const batch of linesOf(child.stdout, 100)) {
    seen.push(...batch);
    await sleep(300);
  }

  expect(await child.exit).toEqual({ kind: "exited", code: 0 });
  expect(seen.length).toBe(20_000);
});

async function failureOf(
  file: string,
  options: Partial<ChildCommand> = {},
): Promise<[string | undefined, string]> {
  const command: ChildCommand = { file, args: [], env: path, graceMs: 100, ...options };
  const start = await startChild(command);
  if (start.kind === "started") throw new Error("it started");
  return [start.cause.code, explainSpawnFailure(command, start.cause)];
}

function program(name: string, content: string | Buffer, mode: number): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

test("a missing program is distinguished from a missing interpreter or folder", async () => {
  const orphan = program("orphan", "#!/no/such/interpreter\n", 0o755);

  expect(await failureOf("/no/such/program")).toEqual([
    "ENOENT",
    expect.stringContaining("/no/such/program does not exist"),
  ]);
  expect(await failureOf(orphan)).toEqual([
    "ENOENT",
    expect.stringContaining("interpreter in its first line"),
  ]);
  expect(await failureOf("/bin/true", { cwd: "/no/such/folder" })).toEqual([
    "ENOENT",
    expect.stringContaining("/no/such/folder: that folder does not exist"),
  ]);
});

test("a program that may not be executed is reported with a remedy", async () => {
  const file = program("closed", "#!/bin/sh\n", 0o644);

  expect(await failureOf(file)).toEqual(["EACCES", expect.stringContaining("chmod +x")]);
});

test("an environment too large for the kernel is a value, not an exception", async () => {
  const [code, sentence] = await failureOf("/bin/true", { env: { HUGE: "x".repeat(3_000_000) } });

  expect(code).toBe("E2BIG");
  expect(sentence).toContain("larger than the kernel allows");
});

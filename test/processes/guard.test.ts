import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { startChild } from "../../src/processes/child.ts";
import { startGuard } from "../../src/processes/guard.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

const program = fileURLToPath(new URL("../fixtures/processes/guarded-agent.ts", import.meta.url));
const agents: ChildProcess[] = [];
afterEach(() => {
  for (const agent of agents.splice(0)) agent.kill("SIGKILL");
});

interface GuardedAgent {
  readonly agent: ChildProcess;
  readonly guard: number;
  /** A child, a descendant in its group, and one that left the group (if marked). */
  readonly pids: readonly number[];
}

async function startAgent(mode: "marked" | "unmarked" = "marked"): Promise<GuardedAgent> {
  const agent = spawn(process.execPath, [program, mode], { stdio: ["ignore", "pipe", "inherit"] });
  agents.push(agent);
  if (agent.stdout === null) throw new Error("no stdout");
  const [line] = await once(createInterface(agent.stdout), "line");
  return { agent, ...JSON.parse(String(line)) };
}

test("nothing an agent started outlives its SIGKILL, and neither does the guard", async () => {
  const { agent, guard, pids } = await startAgent();
  expect(pids.map(isRunning)).toEqual([true, true, true]);

  agent.kill("SIGKILL");

  await expect
    .poll(() => [...pids, guard].map(isRunning), { timeout: 20_000 })
    .toEqual([false, false, false, false]);
});

test("a killed guard is replaced and learns of the children again", async () => {
  const { agent, guard, pids } = await startAgent("unmarked");
  const guardsOfAgent = (): number[] =>
    execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(agent.pid)])
      .toString()
      .split("\n")
      .filter((line) => line.includes("attune-guard"))
      .map((line) => Number.parseInt(line, 10));

  process.kill(guard, "SIGKILL");
  await expect
    .poll(guardsOfAgent, { timeout: 20_000 })
    .toSatisfy((found) => found.length === 1 && found[0] !== guard);
  agent.kill("SIGKILL");

  await expect.poll(() => pids.map(isRunning), { timeout: 20_000 }).toEqual([false, false, false]);
});

test("the signals that end an agent politely do not end its guard", async () => {
  const { agent, guard, pids } = await startAgent();

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.kill(guard, signal);
  agent.kill("SIGKILL");

  await expect.poll(() => pids.map(isRunning), { timeout: 20_000 }).toEqual([false, false, false]);
});

test("a guard ignores processes that have ended, and ends with its scope", async () => {
  let guardPid = 0;
  await using unwatched = await startSleep();
  {
    await using guard = startGuard("ATTUNE_TEST_INSTANCE", silentLogger);
    guardPid = guard.pid ?? 0;
    guard.watch({ pid: unwatched.pid, closed: Promise.resolve() });
    await new Promise(setImmediate); // The guard hears of the end.
  }

  expect(isRunning(guardPid)).toBe(false);
  expect(isRunning(unwatched.pid)).toBe(true);
});

test("a guard whose children have all ended stops without scanning all processes", async () => {
  const guard = startGuard("ATTUNE_TEST_INSTANCE", silentLogger);
  const [name = "", value = ""] = guard.markerPrefix.split("=");
  // Looking would find this one: the agent itself has to end what it starts.
  await using marked = await startSleep({ [name]: `${value}1` });

  await guard[Symbol.asyncDispose]();

  expect(isRunning(marked.pid)).toBe(true);
});

async function startSleep(env: Readonly<Record<string, string>> = {}) {
  const start = await startChild({ file: "/bin/sleep", args: ["300"], env, graceMs: 100 });
  if (start.kind === "unstarted") throw start.cause;
  return start.child;
}

/**
 * An agent that was started with nohup in a real terminal, which is then closed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { isRunning } from "../../scripts/services/is-running.ts";
import { query } from "./platform-rows.ts";
import { freshDatabase } from "./postgres.ts";

/** The shell's end closes the terminal, and the kernel tells every process of the terminal by SIGHUP. */
const inTerminal =
  'nohup "$AGENT" --name hung-up > nohup.out 2> agent.log & echo $! > pid; ' +
  "until grep -q 'registered worker' agent.log; do sleep 0.05; done";

/** Expects the agent to survive it and another SIGHUP, and to stop cleanly when asked to. */
export async function expectToSurviveItsTerminal(agent: string): Promise<void> {
  await using fresh = await freshDatabase();
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-nohup-"));
  const terminal = spawn("/usr/bin/script", ["--quiet", "--return", "--command", inTerminal, "/dev/null"], {
    cwd: directory.path,
    env: {
      ...process.env,
      SHELL: "/bin/sh",
      AGENT: agent,
      DATABASE_URL: fresh.url,
      ATTUNE__API__PORT: "0",
      ATTUNE__SENSOR__HEARTBEAT_INTERVAL: "0.2",
    },
    stdio: ["pipe", "ignore", "inherit"],
    detached: true,
  });
  const [code] = (await once(terminal, "exit")) as [number | null];
  expect(code).toBe(0);
  const pid = Number(await readFile(join(directory.path, "pid"), "utf8"));
  try {
    process.kill(pid, "SIGHUP");
    const [{ now } = { now: new Date() }] = await query<{ now: Date }>(fresh.database, "select now()");

    const beats = "select count(*)::int as count from worker where status = 'active' and last_heartbeat > $1";
    // A stop would take the worker's row out of service before that.
    const later = new Date(now.getTime() + 2_000);
    await expect
      .poll(() => query(fresh.database, beats, [later]), { timeout: 20_000 })
      .toEqual([{ count: 1 }]);

    process.kill(pid, "SIGTERM");
    await expect.poll(() => isRunning(pid), { timeout: 20_000 }).toBe(false);
    expect(await query(fresh.database, "select status from worker")).toEqual([{ status: "inactive" }]);
  } finally {
    if (isRunning(pid)) process.kill(pid, "SIGKILL");
  }
}

/** The agent as a process of its own, against a real database. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { isRunning } from "../../scripts/services/is-running.ts";
import { differencesFromCoreSchema } from "../support/core-trigger.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { programDirectory } from "../support/program-directory.ts";

test("the agent registers what it detected, and a signal stops it cleanly with exit code 0", async () => {
  await using fresh = await freshDatabase();
  const agent = startAgent(fresh.url, "sensor-run");
  const worker = async (): Promise<unknown> =>
    (
      await query(
        fresh.database,
        `select status, capabilities -> 'runtimes' as runtimes, (meta ->> 'pid')::int as pid,
                lease_expires_at is not null as has_lease
           from worker where name = 'sensor-run'`,
      )
    )[0];

  await expect
    .poll(worker, { timeout: 60_000 })
    .toEqual({ status: "active", runtimes: ["builtin", "ruby"], pid: agent.child.pid, has_lease: true });

  agent.child.kill("SIGTERM");

  expect(await agent.exitCode()).toBe(0);
  expect(await worker()).toMatchObject({ status: "inactive", has_lease: false });
});

test("a signal while interpreters are probed ends the start before anything is opened", async () => {
  const programs = programDirectory();
  programs.script("ruby", 'kill -TERM "$PPID"; echo ruby 3.1.2');

  const agent = startAgent(undefined, "sensor-hasty", programs.path);

  expect(await agent.exitCode()).toBe(0);
  expect(agent.said()).toBe("");
  // Not even the embedded database's folder.
  expect(readdirSync(agent.directory)).toEqual([]);
});

// Goal: an interpreter that hangs does not outlive the agent or doctor, however these end.
// Method: an interpreter tells its process id and ignores everything but SIGKILL, and what asked it is killed.
test.each(["agent", "doctor"])("an interpreter that hangs ends with a killed %s", async (whose) => {
  const programs = programDirectory();
  programs.script(
    "ruby",
    `trap '' TERM; echo $$ > "\${0%/*}/new"; mv "\${0%/*}/new" "\${0%/*}/pid"; exec sleep 60`,
  );
  programs.link("mv", "/bin/mv");
  programs.link("sleep", "/bin/sleep");
  const command = whose === "agent" ? [] : [whose];
  const agent = startAgent(undefined, "sensor-killed", programs.path, { command });
  const pid = join(programs.path, "pid");
  await expect.poll(() => existsSync(pid)).toBe(true);

  agent.child.kill("SIGKILL");

  await expect.poll(() => isRunning(Number(readFileSync(pid, "utf8")))).toBe(false);
});

test("a signal while a runtime is verified ends the start, and the command with it", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  programs.script(
    "tool",
    'echo $$ > "${0%/*}/asked.new"; mv "${0%/*}/asked.new" "${0%/*}/asked"; exec sleep 60',
  );
  programs.link("mv", "/bin/mv");
  programs.link("sleep", "/bin/sleep");
  await query(
    fresh.database,
    `insert into runtime (ref, runtime_type, name, distributions)
     values ('my.sensor.tool', 'sensor', 'Tool', '{"verification": {"commands": [{"binary": "tool"}]}}')`,
  );
  const agent = startAgent(fresh.url, "sensor-hasty", programs.path);
  const asked = join(programs.path, "asked");
  await expect.poll(() => existsSync(asked), { timeout: 60_000 }).toBe(true);

  agent.child.kill("SIGTERM");

  expect(await agent.exitCode()).toBe(0);
  expect(isRunning(Number(readFileSync(asked, "utf8")))).toBe(false);
});

test("a signal while the embedded database is created leaves it closed", async () => {
  const agent = startAgent(undefined, "sensor-hasty");
  const data = join(agent.directory, "data");
  await expect.poll(() => existsSync(join(data, "lock")), { timeout: 20_000, interval: 1 }).toBe(true);

  agent.child.kill("SIGTERM");

  expect(await agent.exitCode()).toBe(0);
  expect(readdirSync(data)).not.toContain("lock");
  expect(readdirSync(data).filter((name) => name.includes("creating"))).toEqual([]);
});

// Goal: whenever the stop comes, the start ends cleanly.
// Method: a first interpreter reports that probing has begun; the signal follows after a varying delay.
test.each([0, 30, 60, 100, 150, 200, 300])(
  "a signal %i ms into the start ends it in order, and no worker is left active",
  async (delayMs) => {
    await using fresh = await freshDatabase();
    const programs = programDirectory();
    programs.script("ruby", 'echo > "${0%/*}/probed"; echo ruby 3.1.2');
    const agent = startAgent(fresh.url, "sensor-hasty", programs.path);
    await expect
      .poll(() => existsSync(join(programs.path, "probed")), { timeout: 20_000, interval: 1 })
      .toBe(true);
    await sleep(delayMs);

    agent.child.kill("SIGTERM");

    expect({ code: await agent.exitCode(), said: agent.said() }).toMatchObject({ code: 0 });
    const active = "select name from worker where status <> 'inactive' or lease_expires_at is not null";
    expect(await query(fresh.database, active)).toEqual([]);
  },
);

test("64 open files are enough with a PostgreSQL server", async () => {
  await using fresh = await freshDatabase();

  const agent = startAgent(fresh.url, "sensor-narrow", undefined, { limit: "-n 64" });

  await expect.poll(() => agent.said(), { timeout: 60_000 }).toContain("registered worker");
  agent.child.kill("SIGTERM");
  expect(await agent.exitCode()).toBe(0);
});

test("closing the terminal stops the agent cleanly", async () => {
  await using fresh = await freshDatabase();
  const agent = startAgent(fresh.url, "sensor-hangup");
  await expect.poll(() => agent.said(), { timeout: 60_000 }).toContain("registered worker");

  agent.child.kill("SIGHUP");

  expect(await agent.exitCode()).toBe(0);
  expect(await query(fresh.database, "select status from worker")).toEqual([{ status: "inactive" }]);
});

test("the signal that opens Node's debugger does nothing", async () => {
  await using fresh = await freshDatabase();
  const agent = startAgent(fresh.url, "sensor-debugged");
  await expect.poll(() => agent.said(), { timeout: 60_000 }).toContain("registered worker");

  agent.child.kill("SIGUSR1");
  // Handled after the other, whose number is lower.
  agent.child.kill("SIGUSR2");
  await expect.poll(() => agent.said(), { timeout: 60_000 }).toContain("SIGUSR2: log level is now debug");
  agent.child.kill("SIGTERM");

  expect(await agent.exitCode()).toBe(0);
  expect(agent.said()).not.toMatch(/debugger/i);
});

test("SIGUSR2 turns debug lines on and off again, and says so at any level", async () => {
  await using fresh = await freshDatabase();
  const agent = startAgent(fresh.url, "sensor-watched", undefined, { level: "warn" });
  const isActive = "select name from worker where status = 'active'";
  await expect
    .poll(() => query(fresh.database, isActive), { timeout: 60_000 })
    .toEqual([{ name: "sensor-watched" }]);
  expect(agent.said()).not.toContain("SIGUSR2");

  agent.child.kill("SIGUSR2");
  await expect
    .poll(() => agent.said(), { timeout: 60_000 })
    .toContain("SIGUSR2: log level is now debug; send the signal again to return to warn");
  agent.child.kill("SIGUSR2");
  await expect
    .poll(() => agent.said(), { timeout: 60_000 })
    .toContain("SIGUSR2: log level is now warn; send the signal again to return to debug");
  agent.child.kill("SIGTERM");

  expect(await agent.exitCode()).toBe(0);
});

test("256 open files are enough with the embedded database", async () => {
  const agent = startAgent(undefined, "sensor-narrow", undefined, { limit: "-n 256" });

  await expect.poll(() => agent.said(), { timeout: 60_000 }).toContain("registered worker");
  agent.child.kill("SIGTERM");
  expect(await agent.exitCode()).toBe(0);
});

test("with fewer, the embedded database is refused in one line before it is created", async () => {
  const agent = startAgent(undefined, "sensor-narrow", undefined, { limit: "-n 255" });

  expect(await agent.exitCode()).toBe(1);
  expect(agent.said()).toMatch(
    /^attune-sensor-agent: could not open the embedded database in \S+: it needs a limit of 256 open files, and this process has one of 255; raise the limit \(ulimit -n, .*\), or set database\.url \[DATABASE_UNREACHABLE\]\n$/,
  );
  expect(readdirSync(agent.directory)).toEqual([]);
});

test("a file size limit is reported in one line before it damages the embedded database", async () => {
  const agent = startAgent(undefined, "sensor-narrow", undefined, { limit: "-f 8" });

  expect(await agent.exitCode()).toBe(1);
  expect(agent.said()).toMatch(
    /^attune-sensor-agent: could not open the embedded database in \S+: it needs files of up to 1 GiB, and this process may write files of [48](\.[12])? kB only; raise the limit \(ulimit -f, .*\), or set database\.url \[DATABASE_UNREACHABLE\]\n$/,
  );
});

test("with PostgreSQL, a too low limit on open files is reported at start-up, not as an unreachable database", async () => {
  await using fresh = await freshDatabase();
  const agent = startAgent(fresh.url, "sensor-narrow", undefined, { limit: "-n 32" });

  await expect
    .poll(() => agent.said(), { timeout: 60_000 })
    .toMatch(/this process is limited to 32 open files but may need 80 .+ raise the limit \(ulimit -n/);
  agent.child.kill("SIGTERM");
  expect(await agent.exitCode()).toBe(0);
});

test("a removed working directory is reported in one line", async () => {
  const main = new URL("../../src/main.ts", import.meta.url).pathname;
  const directory = mkdtempSync(join(tmpdir(), "attune-gone-"));

  const { status, stderr } = spawnSync(
    "/bin/sh",
    ["-c", 'rmdir "$PWD"; exec "$@"', "sh", process.execPath, main, "migrate"],
    { cwd: directory, encoding: "utf8" },
  );

  expect(status).toBe(1);
  expect(stderr).toBe(
    "attune-sensor-agent: could not find the working directory: it was removed; " +
      "change to a directory that exists, for example: cd / [WORKING_DIRECTORY_GONE]\n",
  );
});

test("a second agent with the same name ends with one clear line, and the first continues", async () => {
  await using fresh = await freshDatabase();
  const first = startAgent(fresh.url, "sensor-twin");
  await expect.poll(() => first.said(), { timeout: 60_000 }).toContain("registered worker");

  const second = startAgent(fresh.url, "sensor-twin");

  expect(await second.exitCode()).toBe(1);
  expect(second.said()).toMatch(
    new RegExp(
      `^attune-sensor-agent: could not register as worker sensor-twin: the name is held by another process, pid ${first.child.pid} on \\S+, since .+; stop that process, .*$`,
      "m",
    ),
  );
  expect(first.child.exitCode).toBeNull();
});

test("a runtime installed while the agent runs is reported and becomes an event", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const agent = startAgent(fresh.url, "sensor-grows", programs.path);
  await expect.poll(() => agent.said(), { timeout: 60_000 }).toContain("registered worker");

  programs.script("php", "echo PHP 8.3.1");
  await query(
    fresh.database,
    `insert into runtime (ref, runtime_type, name, distributions)
     values ('my.sensor.php', 'sensor', 'PHP', '{"verification": {"commands": [{"binary": "php"}]}}')`,
  );

  await expect
    .poll(() => query(fresh.database, "select capabilities -> 'runtimes' ? 'php' as has_php from worker"), {
      timeout: 10_000,
    })
    .toEqual([{ has_php: true }]);
  await expect
    .poll(() => query(fresh.database, "select trigger_ref from event"), { timeout: 10_000 })
    .toContainEqual({ trigger_ref: "core.worker_capabilities_changed" });
  const events = await query<{ payload: unknown }>(
    fresh.database,
    "select payload from event where trigger_ref = 'core.worker_capabilities_changed'",
  );
  const differences = events.flatMap(({ payload }) =>
    differencesFromCoreSchema("worker_capabilities_changed", payload),
  );
  expect(differences).toEqual([]);
});

interface Agent {
  readonly child: ChildProcess;
  /** Where it was started. */
  readonly directory: string;
  said(): string;
  exitCode(): Promise<number | null>;
}

function startAgent(
  databaseUrl: string | undefined,
  name: string,
  path?: string,
  {
    limit,
    level,
    command = [],
  }: { readonly limit?: string; readonly level?: string; readonly command?: readonly string[] } = {},
): Agent {
  const directory = mkdtempSync(join(tmpdir(), "attune-agent-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const programs = programDirectory();
  programs.script("ruby", "echo ruby 3.1.2");
  const main = new URL("../../src/main.ts", import.meta.url).pathname;
  const limited = limit === undefined ? [] : ["/bin/sh", "-c", `ulimit ${limit}; exec "$@"`, "sh"];
  const [file, ...args] = [
    ...limited,
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    main,
    "--name",
    name,
  ];
  const child = spawn(file, [...args, ...command], {
    cwd: directory,
    env: {
      PATH: path ?? programs.path,
      ATTUNE__API__PORT: "0",
      ...(level === undefined ? {} : { ATTUNE__LOG__LEVEL: level }),
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const closed = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  return {
    child,
    directory,
    said: () => said,
    async exitCode() {
      await closed;
      return child.exitCode;
    },
  };
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { JsonObject, JsonValue } from "../../src/model/json/json.ts";
import { selectRuntimes } from "../../src/model/runtimes/runtime-selection.ts";
import { detectInterpreters } from "../../src/runtimes/interpreter-detection.ts";
import { runVersionCommands } from "../../src/runtimes/version-commands.ts";
import { SensorRuntimes, type SensorRuntimesOptions } from "../../src/runtimes/sensor-runtimes.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import type { Database } from "../../src/database/database.ts";
import { freshDatabase } from "../support/postgres.ts";
import { addRuby } from "../support/documented-statements.ts";
import { query } from "../support/platform-rows.ts";
import { programDirectory } from "../support/program-directory.ts";

const never = new AbortController().signal;

test("a real Ruby is offered by INSERT alone, and Haskell that is not installed is not", async () => {
  await using fresh = await freshDatabase();
  await query(fresh.database, addRuby.text);
  await insertRuntime(fresh.database, "my.sensor.haskell", "Haskell", {
    commands: [{ binary: "ghc-that-is-not-there", args: ["--version"], pattern: "Glasgow", priority: 1 }],
  });
  const { PATH } = process.env;
  const runtimes = await runtimesOn(fresh.database, { path: PATH ?? "" });

  await runtimes.verify(never);

  expect(runtimes.capabilities.runtimes).toContain("ruby");
  expect(runtimes.capabilities.runtimes).not.toContain("haskell");
  expect(runtimes.capabilities.runtimeVersions["ruby"]).toMatch(/^\d+\.\d+\.\d+$/);
  expect(runtimes.offered("core.sensor.ruby")).toMatchObject({
    kind: "offered",
    runtime: { name: "ruby", interpreter: expect.stringMatching(/\/ruby$/), interpreterArgs: [] },
  });
  expect(runtimes.offered("my.sensor.haskell")).toEqual({
    kind: "unavailable",
    reason: "ghc-that-is-not-there is not on PATH",
  });
  expect(runtimes.offered("my.sensor.cobol")).toEqual({
    kind: "unavailable",
    reason: "sensor runtime my.sensor.cobol does not exist",
  });
});

test("commands are tried by priority, without a shell, until exit code, pattern and version agree", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  programs.script("wrong-code", "echo tool 9.0; exit 1");
  programs.script("wrong-words", "echo something else 9.0");
  programs.script("too-old", "echo tool 1.9");
  programs.script("right", `[ "$1" = '$(exit 1); --version' ] && { echo tool 2.4 >&2; exit 7; }`);
  await insertRuntime(fresh.database, "my.tool", "Tool", {
    min_version: "2.0",
    recommended_version: "3.0",
    commands: [
      { binary: "right", args: ["$(exit 1); --version"], exit_code: 7, pattern: "tool \\d", priority: 5 },
      { binary: "wrong-words", pattern: "^tool", priority: 3 },
      { binary: "absent", priority: 1 },
      { binary: "wrong-code", pattern: "tool", priority: 2 },
      { binary: "too-old", pattern: "tool", priority: 4 },
    ],
  });
  const runtimes = await runtimesOn(fresh.database, programs);

  await runtimes.verify(never);

  expect(runtimes.offered("my.tool")).toMatchObject({
    kind: "offered",
    runtime: { interpreter: join(programs.path, "right"), version: "2.4" },
  });
  const [kept] = await query<{ outcome: JsonObject }>(
    fresh.database,
    "select outcome from runtime_verification where runtime_ref = 'my.tool'",
  );
  expect(kept?.outcome).toMatchObject({ kind: "available", remark: "older than the recommended 3.0" });
});

test("a runtime older than its row requires is not offered, and a hint says what to install", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const path = programs.script("python3", "echo Python 3.6.9");
  const runtimes = await runtimesOn(fresh.database, programs);

  await runtimes.verify(never);

  expect(runtimes.capabilities.runtimes).not.toContain("python");
  expect(runtimes.offered("core.sensor.python")).toEqual({
    kind: "unavailable",
    reason: expect.stringContaining(`${path} is 3.6.9, older than the required 3.8; install Python 3`),
  });
});

test("rows that are malformed, hang or print without end stop no other", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  programs.script("hangs", "trap '' TERM; while :; do :; done");
  programs.script("endless", "while :; do echo yes yes yes; done");
  programs.script("good", "echo 1.0");
  await query(
    fresh.database,
    `insert into runtime (ref, runtime_type, name, distributions, execution_config)
     values ('my.list', 'sensor', 'List', '[]', '{}'), ('my.text', 'sensor', 'Text', '"x"', '3'),
            ('my.action', 'action', 'Action', '{}', '{}')`,
  );
  await insertRuntime(fresh.database, "my.pattern", "Pattern", {
    commands: [{ binary: "good", pattern: "(" }],
  });
  await insertRuntime(fresh.database, "my.hangs", "Hangs", { commands: [{ binary: "hangs" }] });
  await insertRuntime(fresh.database, "my.endless", "Endless", { commands: [{ binary: "endless" }] });
  await insertRuntime(fresh.database, "my.good", "Good", { commands: [{ binary: "good" }] });
  const runtimes = await runtimesOn(fresh.database, programs);

  await runtimes.verify(never);

  const reasonFor = (ref: string): string => {
    const answer = runtimes.offered(ref);
    return answer.kind === "unavailable" ? answer.reason : "offered";
  };
  expect(reasonFor("my.list")).toBe("its row is malformed: distributions is not a JSON object");
  expect(reasonFor("my.text")).toBe("its row is malformed: distributions is not a JSON object");
  expect(reasonFor("my.pattern")).toContain("commands[0].pattern is not a regular expression");
  expect(reasonFor("my.hangs")).toContain("did not end in time");
  expect(reasonFor("my.endless")).toContain("printed more than");
  expect(reasonFor("my.good")).toBe("offered");
  expect(reasonFor("my.action")).toBe("sensor runtime my.action does not exist");
});

test("execution_config names the interpreter, which has to be there", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  programs.script("tool-version", "echo 1.0");
  const runner = programs.script("tool-run", "exit 0");
  const commands = [{ binary: "tool-version" }];
  await insertRuntime(fresh.database, "my.tool", "Tool", { commands }, { binary: "tool-run", args: ["-x"] });
  await insertRuntime(fresh.database, "my.other", "Other", { commands }, { binary: "other-run" });
  const runtimes = await runtimesOn(fresh.database, programs);

  await runtimes.verify(never);

  expect(runtimes.offered("my.tool")).toMatchObject({
    kind: "offered",
    runtime: { interpreter: runner, interpreterArgs: ["-x"], version: "1.0" },
  });
  expect(runtimes.offered("my.other")).toEqual({
    kind: "unavailable",
    reason: "the interpreter other-run is not on PATH",
  });
});

test("the seeded shell is offered if a shell exists, and otherwise not", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const bare = await runtimesOn(fresh.database, programs);
  await bare.verify(never);
  expect(bare.capabilities.runtimes).toEqual(["builtin"]);
  expect(bare.offered("core.sensor.shell")).toMatchObject({ kind: "unavailable" });
  expect(bare.offered("core.sensor.builtin")).toMatchObject({ kind: "offered" });
  expect(bare.offered("core.sensor.native")).toMatchObject({ kind: "unavailable" });

  const sh = programs.script("sh", "exit 0");
  const runtimes = await runtimesOn(fresh.database, programs);
  await runtimes.verify(never);
  expect(runtimes.offered("core.sensor.shell")).toMatchObject({
    kind: "offered",
    runtime: { interpreter: sh, version: null },
  });
});

test("a verification's command is watched, so that it does not outlive a killed agent", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const own = join(programs.path, "pid");
  programs.script("tool", `echo $$ > ${own}; echo tool 1.0`);
  await insertRuntime(fresh.database, "my.tool", "Tool", { commands: [{ binary: "tool" }] });
  const watched: number[] = [];
  const guard = { watch: ({ pid }: { readonly pid: number }) => void watched.push(pid) };
  const runtimes = await runtimesOn(fresh.database, programs, { guard });

  await runtimes.verify(never);

  expect(watched).toContain(Number(readFileSync(own, "utf8")));
});

test("a kept verification is believed after a restart until the file, the row or the time has changed", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const calls = join(programs.path, "calls");
  const counting = (version: string): string => `echo x >> ${calls}; echo tool ${version}`;
  programs.script("tool", counting("1.0"));
  await insertRuntime(fresh.database, "my.tool", "Tool", { commands: [{ binary: "tool" }] });
  const restart = async (cacheTtlMs?: number): Promise<string | undefined> => {
    const runtimes = await runtimesOn(
      fresh.database,
      programs,
      cacheTtlMs === undefined ? {} : { cacheTtlMs },
    );
    await runtimes.verify(never);
    return runtimes.capabilities.runtimeVersions["tool"];
  };
  const callCount = (): number => readFileSync(calls, "utf8").trim().split("\n").length;

  expect([await restart(), callCount()]).toEqual(["1.0", 1]);
  expect([await restart(), callCount()]).toEqual(["1.0", 1]);

  programs.script("tool", `${counting("1.1")} # longer`);
  expect([await restart(), callCount()]).toEqual(["1.1", 2]);

  await query(fresh.database, "update runtime set description = 'same' where ref = 'my.tool'");
  expect([await restart(), callCount()]).toEqual(["1.1", 2]);
  await query(
    fresh.database,
    `update runtime set distributions = distributions || '{"min_version": "0.1"}' where ref = 'my.tool'`,
  );
  expect([await restart(), callCount()]).toEqual(["1.1", 3]);

  expect([await restart(0.001), callCount()]).toEqual(["1.1", 4]);
});

test("a change while running is noticed and announced until the announcement succeeds", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const announcements: string[][] = [];
  let refusals = 1;
  const runtimes = await runtimesOn(fresh.database, programs, { intervalMs: 20 });
  await runtimes.verify(never);
  const stop = new AbortController();
  const ended = runtimes.run(stop.signal, {
    makeKnown: async ({ before, after }) => {
      if (refusals-- > 0) throw new Error("the database is away");
      announcements.push([before.runtimes.join(), after.runtimes.join()]);
      return Promise.resolve();
    },
    onAnswersChanged: () => {},
  });
  onTestFinished(() => stop.abort());

  programs.script("ruby", "echo ruby 3.1.2");
  await query(fresh.database, addRuby.text);
  runtimes.wake();
  await expect.poll(() => announcements, { timeout: 10_000 }).toEqual([["builtin", "builtin,ruby"]]);

  programs.remove("ruby");
  await expect.poll(() => announcements.at(-1)).toEqual(["builtin,ruby", "builtin"]);
  expect(announcements).toHaveLength(2);

  stop.abort();
  await ended;
});

test("a new row for a detected interpreter is announced although no capability changes", async () => {
  await using fresh = await freshDatabase();
  const { PATH = "" } = process.env;
  const runtimes = await runtimesOn(fresh.database, { path: PATH });
  await runtimes.verify(never);
  const announcements: object[] = [];
  const answers: string[] = [];
  const stop = new AbortController();
  const ended = runtimes.run(stop.signal, {
    makeKnown: async (change) => void announcements.push(change),
    onAnswersChanged: () => answers.push(runtimes.offered("core.sensor.ruby").kind),
  });
  onTestFinished(() => stop.abort());

  await query(fresh.database, addRuby.text);
  runtimes.wake();

  await expect.poll(() => answers, { timeout: 10_000 }).toEqual(["offered"]);
  expect(announcements).toEqual([]);
  runtimes.wake();
  stop.abort();
  await ended;
  expect(answers).toHaveLength(1);
});

test("a row that was not verified yet is distinguished from one that does not exist", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const runtimes = await runtimesOn(fresh.database, programs);
  await runtimes.verify(never);
  expect(runtimes.hasLookedFor("core.sensor.python")).toBe(true);
  let looks = 0;
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  programs.script("ruby", "echo ruby 3.1.2");
  await query(fresh.database, addRuby.text);

  // Only the query itself reveals the new row.
  expect(runtimes.hasLookedFor("core.sensor.ruby")).toBe(false);
  expect(runtimes.hasLookedFor("core.sensor.cobol")).toBe(false);
  const ended = runtimes.run(stop.signal, {
    makeKnown: async () => {},
    onAnswersChanged: () => (looks += 1),
  });
  await expect.poll(() => looks, { timeout: 10_000 }).toBe(1);
  expect(runtimes.offered("core.sensor.ruby").kind).toBe("offered");
  expect(runtimes.hasLookedFor("core.sensor.cobol")).toBe(true);

  // A changed row may be the missing one. After the check the asker is notified, even if no answer changed.
  runtimes.wake();
  expect(runtimes.hasLookedFor("core.sensor.cobol")).toBe(false);
  await expect.poll(() => looks, { timeout: 10_000 }).toBe(2);
  expect(runtimes.hasLookedFor("core.sensor.cobol")).toBe(true);

  stop.abort();
  await ended;
});

test("an override runs no command and still finds the interpreter to start scripts with", async () => {
  await using fresh = await freshDatabase();
  const programs = programDirectory();
  const ruby = programs.script("ruby", `echo called > ${join(programs.path, "called")}; echo ruby 3.1.2`);
  await query(fresh.database, addRuby.text);
  const runtimes = await runtimesOn(fresh.database, programs, {
    selection: selectRuntimes("rb,native,python", undefined),
  });

  await runtimes.verify(never);

  expect(runtimes.capabilities.runtimes).toEqual(["ruby", "native", "python", "builtin"]);
  expect(runtimes.offered("core.sensor.ruby")).toMatchObject({
    runtime: { interpreter: ruby, version: null },
  });
  expect(runtimes.offered("core.sensor.native")).toMatchObject({ runtime: { interpreter: null } });
  expect(runtimes.offered("core.sensor.python")).toMatchObject({
    kind: "unavailable",
    reason: expect.stringContaining("none of python3, python is on PATH; install Python 3"),
  });
  expect(runtimes.offered("core.sensor.shell")).toMatchObject({ kind: "unavailable" });
  expect(() => readFileSync(join(programs.path, "called"))).toThrow("ENOENT");
});

async function runtimesOn(
  database: Database,
  { path }: { readonly path: string },
  options: Partial<SensorRuntimesOptions> = {},
): Promise<SensorRuntimes> {
  const detected =
    path === process.env["PATH"]
      ? await detectInterpreters({ environment: { PATH: path }, run: runVersionCommands() })
      : [];
  return new SensorRuntimes({
    database,
    workerName: "sensor-test",
    selection: selectRuntimes(undefined, undefined),
    machine: {
      lookup: { path, ownExecutable: null },
      probeEnvironment: { PATH: path },
      detected,
      timeoutMs: 2_000,
    },
    cacheTtlMs: 600_000,
    intervalMs: 60_000,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
}

async function insertRuntime(
  database: Database,
  ref: string,
  name: string,
  metadata: { commands: JsonObject[]; min_version?: string; recommended_version?: string },
  interpreter?: JsonValue,
): Promise<void> {
  const { commands, ...versions } = metadata;
  await query(
    database,
    `insert into runtime (ref, runtime_type, name, distributions, execution_config)
     values ($1, 'sensor', $2, $3, $4)`,
    [
      ref,
      name,
      JSON.stringify({ verification: { commands }, ...versions }),
      JSON.stringify(interpreter === undefined ? {} : { interpreter }),
    ],
  );
}

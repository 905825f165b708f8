import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { programDirectory } from "../support/program-directory.ts";

test("--version prints name and version, --help lists every call", async () => {
  expect(await agent(["--version"])).toEqual({
    code: 0,
    stdout: `attune-sensor-agent ${manifest.version}\n`,
    stderr: "",
  });
  expect((await agent(["-V"])).stdout).toBe(`attune-sensor-agent ${manifest.version}\n`);

  const help = await agent(["-h"]);
  expect(help.code).toBe(0);
  for (const call of ["--config", "--name", "--detect-only", "--format", "migrate", "packs", "doctor"]) {
    expect(help.stdout).toContain(call);
  }
});

test.each([
  [["help"], "Commands:"],
  [["help", "sensors"], "Usage: attune-sensor-agent sensors [options] [command]"],
  [["help", "packs", "load"], "Usage: attune-sensor-agent packs load [options] <directories...>"],
  [["sensors", "help", "list"], "Usage: attune-sensor-agent sensors list [options]"],
])("%j prints help and exits with 0", async (args, usage) => {
  const { code, stdout, stderr } = await agent(args);

  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain(usage);
});

test.each([
  [["help", "sensrs"], "unknown command 'sensrs'; did you mean sensors?"],
  [["sensors"], "Usage: attune-sensor-agent sensors [options] [command]"],
  [["--no-such-option"], "unknown option '--no-such-option'"],
  [["no-such-command"], "unknown command 'no-such-command'"],
  [["no-such-command", "list"], "unknown command 'no-such-command'"],
  [["rule", "list"], "unknown command 'rule'; did you mean rules?"],
  [["start"], "unknown command 'start'; without a command, the agent runs"],
  [["evnets"], "unknown command 'evnets'; did you mean events?"],
  [
    ["explain", "12"],
    "unknown command 'explain'; did you mean events explain, rules explain, or sensors explain?",
  ],
  [["list"], "unknown command 'list'\n"],
  [["--format", "xml"], "Allowed choices are text, json"],
  [["packs", "load"], "missing required argument 'directories'"],
  [["packs", "check"], "missing required argument 'directories'"],
  [["packs", "load", "x", "--format", "github"], "--format github only works with packs check"],
  [["--format", "github"], "--format github only works with packs check"],
  [["--config"], "argument missing"],
  [["--detect-only", "doctor"], "--detect-only takes no command"],
  [["--detect-only", "install", "/nonexistent"], "--detect-only takes no command"],
])("a wrong call (%j) exits with 2 and says what is wrong on stderr alone", async (args, complaint) => {
  const { code, stdout, stderr } = await agent(args);

  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toContain(complaint);
});

test("--detect-only prints the report, as text and as JSON, and needs no configuration", async () => {
  const programs = programDirectory();
  const ruby = programs.script("ruby", "echo ruby 3.1.2p20");
  const environment = { PATH: programs.path, ATTUNE_CONFIG: "/nonexistent/config.yaml" };

  expect(await agent(["--detect-only"], environment)).toEqual({
    code: 0,
    stdout: `Interpreters found on PATH:\n✓ ruby ${ruby} (3.1.2)\nATTUNE_SENSOR_RUNTIMES=ruby\n`,
    stderr: "",
  });
  const { stdout } = await agent(["--detect-only", "--format", "json"], environment);
  expect(JSON.parse(stdout)).toMatchObject({ runtimes: ["ruby"], override: null });
});

test.each([28, 32])("an agent that may open %i files finds every interpreter", (files) => {
  const programs = programDirectory();
  for (const name of ["bash", "python3", "node", "ruby", "go", "java", "Rscript", "perl"]) {
    programs.script(name, "/bin/sleep 0.05; echo 1.2.3");
  }
  const call = [
    process.execPath,
    fileURLToPath(new URL("../../src/main.ts", import.meta.url)),
    "--detect-only",
  ];

  const { status, stdout } = spawnSync("/bin/sh", ["-c", `ulimit -n ${files}; exec "$@"`, "sh", ...call], {
    env: { PATH: programs.path },
    encoding: "utf8",
  });

  expect(status).toBe(0);
  expect(stdout).toContain("ATTUNE_SENSOR_RUNTIMES=shell,python,node,ruby,go,java,r,perl\n");
});

test("--detect-only under an override shows what it keeps and what it leaves out", async () => {
  const programs = programDirectory();
  programs.script("ruby", "echo ruby 3.1.2p20");
  programs.script("perl", "echo v5.36.0");
  const environment = { PATH: programs.path, ATTUNE_SENSOR_RUNTIMES: "rb,standalone" };

  const { stdout } = await agent(["--detect-only"], environment);

  expect(stdout).toContain("is a hard override");
  expect(stdout).toContain("✓ ruby ");
  expect(stdout).toMatch(/- perl .* was found but is left out/);
  expect(stdout).toMatch(/\nATTUNE_SENSOR_RUNTIMES=ruby,native\n$/);
});

// Goal: detection runs first and alone.
// Method: an interpreter creates the configuration before it answers; if the agent had not waited, there would be none.
test("nothing else happens until every interpreter has answered", async () => {
  const programs = programDirectory();
  programs.script("python3", "echo Python 3.11.2");
  programs.script("ruby", '/bin/sleep 0.3; echo "database: 1" > "${0%/*}/config.yaml"; echo ruby 3.1.2');

  const { code, stderr } = await agent(["--config", join(programs.path, "config.yaml")], {
    PATH: programs.path,
  });

  expect(code).toBe(1);
  expect(stderr).toContain("database");
});

// Goal: a bare image loads nothing that detection does not need.
// Method: record every module that the process loads, and look for anything beyond the known few.
test("--detect-only without interpreters loads only its own few files", async () => {
  const { packages, folders } = await loadedBy(["--detect-only"], { PATH: "/nonexistent" });

  expect(packages).toEqual([]);
  expect(folders).toEqual(["agent", "errors", "model", "runtimes"]);
});

// Goal: a health check, which runs every few seconds in every container, loads only the configuration.
// Method: as above.
test("a health check loads what a configuration needs, and neither command line nor database nor broker", async () => {
  const { packages, folders } = await loadedBy(["doctor", "--probe", "live"], {
    PATH: "",
    ATTUNE__API__ENABLED: "false",
  });

  expect(packages).toEqual(["fastest-levenshtein", "typebox", "yaml"]);
  expect(folders).toEqual(["agent", "config", "diagnosis", "errors", "files", "model"]);
});

interface Loaded {
  readonly packages: readonly string[];
  /** Of src. */
  readonly folders: readonly string[];
}

async function loadedBy(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Loaded> {
  const directory = mkdtempSync(join(tmpdir(), "attune-modules-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const recorded = join(directory, "modules");
  const recorder = new URL("../fixtures/agent/record-modules.ts", import.meta.url).pathname;

  await agent(args, { ...environment, MODULES_FILE: recorded }, ["--import", recorder]);

  const urls = readFileSync(recorded, "utf8").trim().split("\n");
  const found = (part: RegExp): readonly string[] =>
    [...new Set(urls.flatMap((url) => part.exec(url)?.[1] ?? []))].toSorted();
  return { packages: found(/node_modules\/([^/]+)/), folders: found(/\/src\/([^/.]+)\//) };
}

test("a failure that a user can act on is one line on stderr and exit code 1", async () => {
  const { code, stdout, stderr } = await agent(["migrate", "-c", "/nonexistent/config.yaml"]);

  expect(code).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(
    /^attune-sensor-agent: could not read the configuration \/nonexistent\/config\.yaml: the file does not exist; .* \[CONFIG_UNREADABLE\]\n$/,
  );
});

async function agent(
  args: readonly string[],
  environment: Record<string, string> = { PATH: "/nonexistent" },
  nodeArgs: readonly string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = new URL("../../src/main.ts", import.meta.url).pathname;
  return await new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...nodeArgs, main, ...args],
      { env: environment, cwd: tmpdir() },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { isRunning } from "../../../scripts/services/is-running.ts";
import { parseYaml } from "../../../src/config/yaml-source.ts";
import type { SensorDefinition } from "../../../src/model/definitions.ts";
import { isJsonObject, type JsonObject } from "../../../src/model/json/json.ts";
import type { OfferedRuntime } from "../../../src/model/runtimes/offered-runtime.ts";
import {
  EnvironmentMaker,
  type EnvironmentRequest,
} from "../../../src/sensors/launch/environment-creation.ts";
import { sensorVariables } from "../../../src/sensors/launch/sensor-variables.ts";
import { decodeExecutionConfig } from "../../../src/sensors/launch/execution-config.ts";
import { findRuntimeEnvironment } from "../../../src/sensors/launch/runtime-environment.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const path = process.env["PATH"] ?? "";

/** A pack and what the runtime's row says; each request is of another sensor. */
function scene(runtime: Partial<OfferedRuntime>, executionConfig: JsonObject) {
  const folder = mkdtempSync(join(tmpdir(), "attune-envs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const packDir = join(folder, "packs/garden");
  mkdirSync(join(packDir, "sensors"), { recursive: true });
  const logged: string[] = [];
  const request: EnvironmentRequest = {
    runtimeEnvsDir: join(folder, "envs"),
    packRef: "garden",
    packDir,
    runtime: {
      ref: "r",
      name: "lang",
      interpreter: "/bin/true",
      interpreterArgs: [],
      version: "3.11.4",
      executionConfig,
      ...runtime,
    },
    config: decodeExecutionConfig(executionConfig),
    agentVariables: { own: { PATH: path }, restored: { PATH: path } },
    passthrough: [],
    temporaryDir: folder,
    guard: { watch: () => {} },
    marker: "ATTUNE_TEST_INSTANCE=1",
    log: (lines) => void logged.push(...lines),
    signal: new AbortController().signal,
  };
  return {
    folder,
    packDir,
    request,
    logged,
    environment: join(folder, "envs/garden/lang-3.11"),
    writePack: (file: string, text: string): void => {
      mkdirSync(dirname(join(packDir, file)), { recursive: true });
      writeFileSync(join(packDir, file), text);
    },
  };
}

/** Makes the folder, then notes each installation in it with the manifest of that time. */
function rowOf(install: string): JsonObject {
  return {
    environment: {
      interpreter_path: "{env_dir}/bin/lang",
      create_command: [
        "/bin/sh",
        "-c",
        'mkdir -p "$1/bin" && cp "$2" "$1/bin/lang"',
        "make",
        "{env_dir}",
        "{interpreter}",
      ],
    },
    dependencies: {
      manifest_file: "needs.txt",
      install_command: ["/bin/sh", "-c", install, "install", "{interpreter}", "{manifest_path}", "{env_dir}"],
    },
  };
}

const noting = rowOf('cat "$2" >> "$3/installed"; echo "with $1" >> "$3/installed"');

function installed(environment: string): string {
  return readFileSync(join(environment, "installed"), "utf8");
}

test("an environment is created once per major and minor version of the interpreter, with the pack's dependencies", async () => {
  const { request, environment, writePack } = scene({}, noting);
  writePack("needs.txt", "things\n");
  const maker = new EnvironmentMaker(systemClock);

  expect(await maker.prepare(request)).toEqual([]);
  expect(await maker.prepare(request)).toEqual([]);

  expect(installed(environment)).toBe(`things\nwith ${environment}/bin/lang\n`);
  expect((await findRuntimeEnvironment(request)).interpreter).toBe(join(environment, "bin/lang"));
  expect(existsSync(`${environment}.lock`)).toBe(false);
});

test.each([
  ["no manifest", {}],
  ["a manifest of comments", { "needs.txt": "# nothing\n\n" }],
  ["dependencies that it brings along", { "needs.txt": "things\n", "vendor/things.txt": "" }],
])("a pack with %s needs no environment", async (_what, files) => {
  const { request, folder, writePack } = scene(
    {},
    {
      ...noting,
      dependencies: { manifest_file: "needs.txt", bundled_in: "vendor" },
    },
  );
  for (const [file, text] of Object.entries(files)) writePack(file, text);

  expect(await new EnvironmentMaker(systemClock).prepare(request)).toEqual([]);

  expect(existsSync(join(folder, "envs"))).toBe(false);
});

test.each([
  ['{"type": "module"}', false],
  ['{"devDependencies": {"a": "1"}, "dependencies": {}}', false],
  ['{"dependencies": {"a": "1"}}', true],
  ["{", true],
])("the manifest package.json %s asks for something: %s", async (text, isNeeded) => {
  const { request, environment, writePack } = scene(
    {},
    {
      ...rowOf(":"),
      dependencies: { manifest_file: "package.json" },
    },
  );
  writePack("package.json", text);

  await new EnvironmentMaker(systemClock).prepare(request);

  expect(existsSync(environment)).toBe(isNeeded);
});

test("when the manifest changes, the new dependencies are installed into the same environment", async () => {
  const { request, environment, writePack } = scene({}, noting);
  const maker = new EnvironmentMaker(systemClock);
  writePack("needs.txt", "things\n");
  await maker.prepare(request);

  writePack("needs.txt", "more\n");
  await maker.prepare(request);

  expect(installed(environment).match(/things|more/g)).toEqual(["things", "more"]);
});

test("when a file that the manifest includes changes, appears or vanishes, everything is installed again", async () => {
  const { request, environment, packDir, writePack } = scene({}, noting);
  const maker = new EnvironmentMaker(systemClock);
  const installations = async (): Promise<number> => {
    await maker.prepare(request);
    return installed(environment).match(/things/g)?.length ?? 0;
  };
  const includes = [
    "-r more/base.txt # as always",
    "  -cpinned.txt",
    '--constraint="named with blanks.txt"',
    "--requirement \\\n  continued.txt",
    "-r needs.txt",
    "-r https://example.org/far.txt",
    "# -r commented.txt",
  ];
  writePack("needs.txt", `things\n${includes.join("\n")}\n`);
  writePack("more/base.txt", "-r nested.txt\n-r ../needs.txt\n");
  expect(await installations()).toBe(1);
  expect(await installations()).toBe(1);

  const files = ["more/base.txt", "more/nested.txt", "pinned.txt", "named with blanks.txt", "continued.txt"];
  for (const [index, file] of files.entries()) {
    writePack(file, "-r nested.txt\nchanged\n");
    expect(await installations(), file).toBe(index + 2);
  }
  rmSync(join(packDir, "more/nested.txt"));
  expect(await installations()).toBe(7);
  writePack("commented.txt", "changed\n");
  writePack("nested.txt/none", "");
  expect(await installations()).toBe(7);
});

test("an environment that others made is used and never changed", async () => {
  const { request, environment, writePack } = scene({}, noting);
  writePack("needs.txt", "things\n");
  mkdirSync(join(environment, "bin"), { recursive: true });
  symlinkSync("/bin/true", join(environment, "bin/lang"));

  expect(await new EnvironmentMaker(systemClock).prepare(request)).toEqual([]);

  expect(existsSync(join(environment, "installed"))).toBe(false);
});

test("one of ours whose interpreter has gone is made again", async () => {
  const { request, environment, writePack } = scene({}, noting);
  writePack("needs.txt", "things\n");
  const maker = new EnvironmentMaker(systemClock);
  await maker.prepare(request);
  rmSync(join(environment, "bin/lang"));

  expect(await maker.prepare(request)).toEqual([]);

  expect(existsSync(join(environment, "bin/lang"))).toBe(true);
});

test("sensors that need the same environment wait for one making", async () => {
  const { request, environment, writePack } = scene({}, rowOf('sleep 0.3; echo "$$" >> "$3/installed"'));
  writePack("needs.txt", "things\n");
  const maker = new EnvironmentMaker(systemClock);

  await Promise.all([1, 2, 3].map(() => maker.prepare(request)));

  expect(installed(environment).trim().split("\n")).toHaveLength(1);
});

test("a maker in another process is waited for while it lives", async () => {
  const { request, environment, writePack } = scene({}, rowOf('sleep 0.3; echo "$$" >> "$3/installed"'));
  writePack("needs.txt", "things\n");

  await Promise.all([1, 2, 3].map(() => new EnvironmentMaker(systemClock).prepare(request)));

  expect(installed(environment).trim().split("\n")).toHaveLength(1);
});

test("an environment left incomplete by a process that died is created again by one of the waiting ones", async () => {
  const { request, environment, writePack } = scene({}, noting);
  writePack("needs.txt", "things\n");
  mkdirSync(join(environment, "half"), { recursive: true });
  mkdirSync(`${environment}.lock`);
  utimesSync(`${environment}.lock`, 1, 1);
  const clocks = [fakeClock(), fakeClock()];
  const prepared = Promise.all(clocks.map((clock) => new EnvironmentMaker(clock).prepare(request)));

  // Only while the lock is not renewed: the waiting processes' clocks run much faster than the new holder works.
  await expect
    .poll(
      async () => {
        await Promise.all(clocks.map((clock) => clock.advance(5_000)));
        return statSync(`${environment}.lock`, { throwIfNoEntry: false })?.mtimeMs === 1_000;
      },
      { interval: 5, timeout: 20_000 },
    )
    .toBe(false);
  let isOver = false;
  void prepared.finally(() => (isOver = true));
  await expect
    .poll(
      async () => {
        await Promise.all(clocks.map((clock) => clock.advance(250)));
        return isOver;
      },
      { timeout: 20_000 },
    )
    .toBe(true);

  expect(await prepared).toEqual([[], []]);
  expect(existsSync(join(environment, "half"))).toBe(false);
  expect(installed(environment).match(/things/g)).toHaveLength(1);
  expect(existsSync(`${environment}.lock`)).toBe(false);
});

test("a failure leaves no partial environment, is reported with the reason, and is not repeated at every start", async () => {
  const { request, environment, logged, folder, writePack } = scene(
    {},
    rowOf(
      `echo tried >> "$(dirname "$2")/tries"; echo ERROR: no network >&2; echo '[notice] be up to date' >&2; exit 4`,
    ),
  );
  writePack("needs.txt", "things\n");
  const clock = fakeClock();
  const maker = new EnvironmentMaker(clock);
  const tries = (): number => readFileSync(join(folder, "packs/garden/tries"), "utf8").split("\n").length - 1;

  const [first, second] = [await maker.prepare(request), await maker.prepare(request)];

  expect(first).toEqual([
    expect.stringMatching(
      /could not be created: \/bin\/sh .+ ended with code 4: ERROR: no network\. Sensors run without the dependencies in needs\.txt/,
    ),
  ]);
  expect(second).toEqual(first);
  expect(tries()).toBe(1);
  expect(logged).toContain("[notice] be up to date");
  expect(existsSync(environment)).toBe(false);
  expect(existsSync(`${environment}.lock`)).toBe(false);

  await clock.advance(301_000);
  await maker.prepare(request);
  expect(tries()).toBe(2);
});

test("a failing update leaves the environment as it was, with a warning", async () => {
  const { request, environment, writePack } = scene(
    {},
    rowOf('grep -q things "$2" && cp "$2" "$3/installed"'),
  );
  writePack("needs.txt", "things\n");
  const maker = new EnvironmentMaker(systemClock);
  await maker.prepare(request);
  writePack("needs.txt", "absent\n");

  const warnings = await maker.prepare(request);

  expect(warnings).toEqual([expect.stringMatching(/could not be updated: .+ Sensors use it as it is/)]);
  expect(installed(environment)).toBe("things\n");
  expect((await findRuntimeEnvironment(request)).folder).toBe(environment);
});

test("an unwritable folder and a missing program are named", async () => {
  const { request, folder, writePack } = scene(
    {},
    {
      ...noting,
      environment: { create_command: ["no-such-tool", "{env_dir}"] },
    },
  );
  writePack("needs.txt", "things\n");
  writeFileSync(join(folder, "file"), "");

  const missing = await new EnvironmentMaker(systemClock).prepare(request);
  const unwritable = await new EnvironmentMaker(systemClock).prepare({
    ...request,
    runtimeEnvsDir: join(folder, "file"),
  });

  expect(missing).toEqual([expect.stringContaining("no-such-tool does not exist")]);
  expect(unwritable).toEqual([expect.stringMatching(/cannot be created: ENOTDIR.+runtime_envs_dir/)]);
});

test("a waiting caller can stop alone; the last one stops the creation", async () => {
  const { request, environment, folder, writePack } = scene(
    {},
    rowOf('echo "$$" > "$(dirname "$2")/started"; exec sleep 60'),
  );
  writePack("needs.txt", "things\n");
  const maker = new EnvironmentMaker(systemClock);
  const [one, other] = [new AbortController(), new AbortController()];
  const first = maker.prepare({ ...request, signal: one.signal });
  const second = maker.prepare({ ...request, signal: other.signal });
  await expect.poll(() => existsSync(join(folder, "packs/garden/started"))).toBe(true);

  one.abort();
  expect(await first).toEqual([]);
  expect(existsSync(`${environment}.lock`)).toBe(true);
  other.abort();
  expect(await second).toEqual([]);

  expect(existsSync(environment)).toBe(false);
  expect(existsSync(`${environment}.lock`)).toBe(false);
});

test("the commands have a writable home and the variables that are passed through", async () => {
  const { request, environment, folder, writePack } = scene(
    {},
    rowOf('echo "$HOME $INDEX" > "$3/installed"'),
  );
  writePack("needs.txt", "things\n");
  const own = { PATH: path, HOME: "/nonexistent", INDEX: "mirror", SECRET: "s" };

  await new EnvironmentMaker(systemClock).prepare({
    ...request,
    agentVariables: { own, restored: own },
    passthrough: ["INDEX"],
  });

  expect(installed(environment)).toBe(`${folder} mirror\n`);
});

/** The row as the core pack has it; another test compares it with the migration. */
function seeded(name: "python" | "nodejs"): JsonObject {
  const file = fileURLToPath(new URL(`../../../packs/core/runtimes/${name}.yaml`, import.meta.url));
  const parsed = parseYaml(readFileSync(file, "utf8"));
  const value = parsed.kind === "parsed" ? parsed.source.value : undefined;
  if (!isJsonObject(value) || !isJsonObject(value["execution_config"])) throw new Error(`${file} is odd`);
  return value["execution_config"];
}

const sensor: SensorDefinition = {
  id: "1",
  ref: "garden.s",
  packRef: "garden",
  label: "",
  entrypoint: "s",
  runtimeRef: "r",
  protocol: "stream",
  enabled: true,
  config: {},
  paramSchema: {},
  pollIntervalSeconds: null,
  timeoutSeconds: null,
  successExitCodes: [0],
  runtimeVersionConstraint: null,
  triggers: [],
};

/** What the script prints in the environment that the agent would start it in. */
async function printed(request: EnvironmentRequest, script: string): Promise<string> {
  const warnings = await new EnvironmentMaker(systemClock).prepare(request);
  const found = await findRuntimeEnvironment(request);
  expect([...warnings, ...found.warnings]).toEqual([]);
  const env = sensorVariables({
    agent: request.agentVariables,
    passthrough: request.passthrough,
    logLevel: "info",
    logFormat: "json",
    artifactsDir: "/artifacts",
    stateDir: undefined,
    sensor,
    rules: [],
    checkpoint: undefined,
    changes: found.changes,
    ofKind: {},
  });
  return execFileSync(found.interpreter ?? "", [script], { env, cwd: request.packDir, encoding: "utf8" });
}

test("Python sensors print unbuffered and import from lib and from the packages in requirements.txt, or a reason is reported", async () => {
  const interpreter = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
    encoding: "utf8",
  });
  const { request, packDir, writePack } = scene(
    { name: "python", interpreter: interpreter.trim(), version: "3.11.7" },
    seeded("python"),
  );
  writePack("lib/near.py", "word = 'near'\n");
  writePack("requirements.txt", "--no-index\n./wheels/far-1.0-py3-none-any.whl\n");
  writePack(
    "sensors/s.py",
    "import sys, near, far\nprint(near.word, far.word, sys.stdout.write_through, sys.flags.utf8_mode, sys.stdout.encoding)\n",
  );
  mkdirSync(join(packDir, "wheels"));
  execFileSync("python3", ["-c", wheelMaker, join(packDir, "wheels/far-1.0-py3-none-any.whl")]);

  expect(await printed(request, join(packDir, "sensors/s.py"))).toMatch(/^near far True \d utf-8\n$/);

  writePack("requirements.txt", "--no-index\nno-such-package-anywhere-xyz==1\n");
  expect(await new EnvironmentMaker(systemClock).prepare(request)).toEqual([
    expect.stringContaining("No matching distribution found for no-such-package-anywhere-xyz==1"),
  ]);
}, 120_000);

// Goal: a pack's environment is made behind a proxy, from a mirror, with nothing but passthrough_env.
// Method: the index has an unreachable host; only the proxy, a server of this test, knows it.
test("pip reaches its index through the proxy that passthrough_env names", async () => {
  const interpreter = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
    encoding: "utf8",
  });
  const { request, folder, packDir, writePack } = scene(
    { name: "python", interpreter: interpreter.trim(), version: "3.11.7" },
    seeded("python"),
  );
  const wheel = join(folder, "far-1.0-py3-none-any.whl");
  execFileSync("python3", ["-c", wheelMaker, wheel]);
  const asked: string[] = [];
  const proxy = createServer(({ url = "" }, response) => {
    asked.push(url);
    if (url.endsWith(".whl")) response.end(readFileSync(wheel));
    else response.setHeader("content-type", "text/html").end('<a href="/far-1.0-py3-none-any.whl">far</a>');
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => void proxy.close());
  const address = proxy.address();
  const port = typeof address === "object" ? address?.port : undefined;
  writePack("requirements.txt", "far==1.0\n");
  writePack("sensors/s.py", "import os, far\nprint(far.word, os.environ.get('HTTP_PROXY'))\n");
  const own = {
    PATH: path,
    HTTP_PROXY: `http://127.0.0.1:${port}`,
    PIP_INDEX_URL: "http://packages.invalid/simple/",
    PIP_TRUSTED_HOST: "packages.invalid",
  };

  const output = await printed(
    {
      ...request,
      agentVariables: { own, restored: own },
      passthrough: ["HTTP_PROXY", "PIP_INDEX_URL", "PIP_TRUSTED_HOST"],
    },
    join(packDir, "sensors/s.py"),
  );

  expect(output).toBe(`far ${own.HTTP_PROXY}\n`);
  expect(asked).toEqual([
    "http://packages.invalid/simple/far/",
    "http://packages.invalid/far-1.0-py3-none-any.whl",
  ]);
}, 120_000);

// Goal: no command goes on in a folder that another agent takes over when this one was killed.
// Method: a process that creates an environment as an agent does, with a command that never ends; kill it.
test("a command that creates an environment does not outlive its agent's SIGKILL", async () => {
  const { folder } = scene({}, {});
  const program = fileURLToPath(
    new URL("../../fixtures/processes/environment-making-agent.ts", import.meta.url),
  );
  const agent = spawn(process.execPath, [program, folder], { stdio: ["ignore", "ignore", "inherit"] });
  onTestFinished(() => void agent.kill("SIGKILL"));
  const numberOf = (): number => {
    const file = join(folder, "pid");
    return existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  };
  await expect.poll(numberOf).toBeGreaterThan(0);
  const command = numberOf();
  onTestFinished(() => {
    if (isRunning(command)) process.kill(command, "SIGKILL");
  });

  agent.kill("SIGKILL");

  await expect.poll(() => isRunning(command)).toBe(false);
});

const wheelMaker = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("far.py", "word = 'far'\\n")
    wheel.writestr("far-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: far\\nVersion: 1.0\\n")
    wheel.writestr("far-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("far-1.0.dist-info/RECORD", "")
`;

test("Node sensors find the packages in package.json, by require and by import, in old and new versions", async () => {
  // The pinned one has hooks in its thread; the machine's, if it has one, is usually older.
  for (const node of [process.execPath, "/usr/bin/node"].filter((file) => existsSync(file))) {
    const version = execFileSync(node, ["--version"], { encoding: "utf8" }).slice(1).trim();
    const { request, folder, packDir, writePack } = scene(
      { name: "node", interpreter: node, version },
      seeded("nodejs"),
    );
    const far = join(folder, "far");
    mkdirSync(far);
    writeFileSync(join(far, "package.json"), '{"name": "far", "version": "1.0.0", "main": "far.js"}');
    writeFileSync(join(far, "far.js"), 'module.exports = "far";\n');
    writePack("package.json", JSON.stringify({ name: "garden", dependencies: { far: `file:${far}` } }));
    writePack("lib/near.js", 'module.exports = "near";\n');
    writePack("sensors/s.cjs", 'console.log(require("near"), require("far"));\n');
    writePack(
      "sensors/s.mjs",
      'import far from "far";\nconst absent = await import("absent").catch((error) => error);\n' +
        'console.log(far, absent.code, absent.message.includes("sensors/s.mjs"));\n',
    );

    expect(await printed(request, join(packDir, "sensors/s.cjs"))).toBe("near far\n");
    expect(await printed(request, join(packDir, "sensors/s.mjs"))).toBe("far ERR_MODULE_NOT_FOUND true\n");
  }
});

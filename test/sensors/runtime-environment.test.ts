import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { JsonObject } from "../../src/model/json.ts";
import { createEnvironment } from "../../src/sensors/environment-creation.ts";
import { decodeExecutionConfig } from "../../src/sensors/execution-config.ts";
import { findRuntimeEnvironment } from "../../src/sensors/runtime-environment.ts";
import { findScript } from "../../src/sensors/script-path.ts";

function scene(name: string, executionConfig: JsonObject = {}, version: string | null = "3.11.4") {
  const folder = mkdtempSync(join(tmpdir(), "attune-envs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const packDir = join(folder, "packs/garden");
  mkdirSync(join(packDir, "sensors"), { recursive: true });
  const runtime = {
    ref: "r",
    name,
    interpreter: "/usr/bin/own",
    interpreterArgs: [],
    version,
    executionConfig,
  };
  const runtimeEnvsDir = join(folder, "envs");
  const config = decodeExecutionConfig(executionConfig);
  const question = { runtimeEnvsDir, packRef: "garden", packDir, runtime, config };
  return { folder, packDir, question, envs: join(runtimeEnvsDir, "garden") };
}

function executable(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  return path;
}

test("without an environment of the pack the runtime's own interpreter is used", async () => {
  const found = await findRuntimeEnvironment(scene("python").question);

  expect(found).toEqual({ interpreter: "/usr/bin/own", folder: null, changes: new Map(), warnings: [] });
});

test("a virtual environment's interpreter is used, the one of the runtime's version first", async () => {
  const { question, envs } = scene("python");
  executable(join(envs, "python/bin/python3"));
  const versioned = executable(join(envs, "python-3.11/bin/python"));

  const found = await findRuntimeEnvironment(question);

  expect(found.interpreter).toBe(versioned);
  expect(found.changes.get("VIRTUAL_ENV")?.value).toBe(join(envs, "python-3.11"));
  expect(found.changes.get("PATH")).toEqual({
    operation: "prepend",
    value: dirname(versioned),
    separator: ":",
  });
});

test("a broken link in an environment is named, and the runtime's own interpreter used", async () => {
  const { question, envs } = scene("python");
  mkdirSync(join(envs, "python/bin"), { recursive: true });
  symlinkSync("/opt/elsewhere/python3", join(envs, "python/bin/python3"));

  const found = await findRuntimeEnvironment(question);

  expect(found.interpreter).toBe("/usr/bin/own");
  expect(found.warnings).toEqual([expect.stringContaining(join(envs, "python/bin/python3"))]);
});

test("node finds the modules of its environment", async () => {
  const { question, envs } = scene("node", {}, null);
  mkdirSync(join(envs, "node/node_modules"), { recursive: true });

  const found = await findRuntimeEnvironment(question);

  expect(found.interpreter).toBe("/usr/bin/own");
  expect(found.changes.get("NODE_PATH")?.value).toBe(join(envs, "node/node_modules"));
  expect(found.warnings).toEqual([]);
});

const creation = {
  environment: {
    interpreter_path: "{env_dir}/bin/lang",
    create_command: ["/bin/sh", "-c", 'mkdir -p "$1/bin" && cp /bin/true "$1/bin/lang"', "make", "{env_dir}"],
  },
  dependencies: {
    manifest_file: "needs.txt",
    install_command: [
      "/bin/sh",
      "-c",
      'echo "$1" > "$2/installed"',
      "install",
      "{interpreter} {manifest_path}",
      "{env_dir}",
    ],
  },
};
const environment = { own: { PATH: "/usr/bin:/bin" }, restored: { PATH: "/usr/bin:/bin" } };
const signal = new AbortController().signal;

test("an environment that the row says how to make is made once, with what the pack needs", async () => {
  const { question, envs, packDir } = scene("lang", creation);
  writeFileSync(join(packDir, "needs.txt"), "things\n");

  const warnings = await createEnvironment({ ...question, environment, signal });
  const found = await findRuntimeEnvironment(question);

  const interpreter = join(envs, "lang/bin/lang");
  expect(warnings).toEqual([]);
  expect(found.interpreter).toBe(interpreter);
  expect(readFileSync(join(envs, "lang/installed"), "utf8")).toBe(
    `${interpreter} ${join(packDir, "needs.txt")}\n`,
  );
  expect(existsSync(join(envs, "lang.lock"))).toBe(false);
});

test("a pack without the manifest needs no environment", async () => {
  const { question, envs } = scene("lang", creation);

  expect(await createEnvironment({ ...question, environment, signal })).toEqual([]);
  expect(existsSync(join(envs, "lang"))).toBe(false);
});

test("an environment that could not be made leaves nothing half made, and says why", async () => {
  const install = {
    manifest_file: "needs.txt",
    install_command: [
      "/bin/sh",
      "-c",
      "echo ERROR: no network >&2; echo '[notice] be up to date' >&2; exit 4",
    ],
  };
  const { question, envs, packDir } = scene("lang", { ...creation, dependencies: install });
  writeFileSync(join(packDir, "needs.txt"), "");

  const warnings = await createEnvironment({ ...question, environment, signal });

  expect(warnings).toEqual([expect.stringMatching(/ended with code 4: ERROR: no network$/)]);
  expect(existsSync(join(envs, "lang"))).toBe(false);
  expect(existsSync(join(envs, "lang.lock"))).toBe(false);
});

test("an environment that another is making is neither made twice nor used half made", async () => {
  const { question, envs, packDir } = scene("lang", creation);
  writeFileSync(join(packDir, "needs.txt"), "");
  mkdirSync(join(envs, "lang.lock"), { recursive: true });

  const warnings = await createEnvironment({ ...question, environment, signal });
  executable(join(envs, "lang/bin/lang"));
  const found = await findRuntimeEnvironment(question);

  expect(warnings).toEqual([expect.stringContaining("being made by another process")]);
  expect(found.interpreter).toBe("/usr/bin/own");
});

test("a script is found inside its pack's sensors folder only", async () => {
  const { folder, packDir } = scene("lang");
  writeFileSync(join(packDir, "sensors/fine.sh"), "");
  writeFileSync(join(packDir, "pack.sh"), "");
  symlinkSync(join(packDir, "pack.sh"), join(packDir, "sensors/link.sh"));
  mkdirSync(join(packDir, "sensors/folder"));
  writeFileSync(join(packDir, "sensors/text"), "no program");
  chmodSync(join(packDir, "sensors/text"), 0o755);
  const ask = (entrypoint: string, isNative = false, packRef = "garden") =>
    findScript({ packsBaseDir: join(folder, "packs"), packRef, entrypoint, isNative });

  expect(await ask("fine.sh")).toEqual({ kind: "found", path: join(packDir, "sensors/fine.sh"), packDir });
  const refusals: [string, boolean, string, string][] = [
    ["", false, "garden", "names no entrypoint"],
    ["../pack.sh", false, "garden", "leads out"],
    ["/etc/passwd", false, "garden", "leads out"],
    ["link.sh", false, "garden", "is a link that leads out"],
    ["folder", false, "garden", "is not a file"],
    ["none.sh", false, "garden", "does not exist"],
    ["fine.sh", true, "garden", "chmod +x"],
    ["text", true, "garden", "first line like #!"],
    ["fine.sh", false, "../..", "would be outside"],
    ["fine.sh", false, "absent", "is the pack absent installed here"],
  ];
  for (const [entrypoint, isNative, packRef, reason] of refusals) {
    expect(await ask(entrypoint, isNative, packRef)).toEqual({
      kind: "refused",
      reason: expect.stringContaining(reason),
    });
  }
});

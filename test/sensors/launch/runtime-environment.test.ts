import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { decodeExecutionConfig } from "../../../src/sensors/launch/execution-config.ts";
import { findRuntimeEnvironment } from "../../../src/sensors/launch/runtime-environment.ts";
import { findScript } from "../../../src/sensors/launch/script-path.ts";

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

  expect(found).toEqual({ interpreter: "/usr/bin/own", folder: null, changes: [], warnings: [] });
});

test("a virtual environment's interpreter is used, the one of the runtime's version first", async () => {
  const { question, envs } = scene("python");
  executable(join(envs, "python/bin/python3"));
  const versioned = executable(join(envs, "python-3.11/bin/python"));

  const found = await findRuntimeEnvironment(question);

  expect(found.interpreter).toBe(versioned);
  expect(found.changes).toEqual([
    ["VIRTUAL_ENV", { operation: "set", value: join(envs, "python-3.11"), separator: ":" }],
    ["PATH", { operation: "prepend", value: dirname(versioned), separator: ":" }],
  ]);
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
  const lib = { operation: "prepend", value: "{pack_dir}/lib" };
  const { question, envs, packDir } = scene("node", { env_vars: { NODE_PATH: lib } }, null);
  mkdirSync(join(envs, "node/node_modules"), { recursive: true });

  const found = await findRuntimeEnvironment(question);

  expect(found.interpreter).toBe("/usr/bin/own");
  const prepended = (value: string) => ["NODE_PATH", { operation: "prepend", value, separator: ":" }];
  expect(found.changes).toEqual([
    prepended(join(envs, "node/node_modules")),
    prepended(join(packDir, "lib")),
  ]);
  expect(found.warnings).toEqual([]);
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

import { expect, test } from "vitest";
import { bootstrapRuntimes } from "../../src/agent/bootstrap.ts";
import { selectRuntimes } from "../../src/model/runtimes/runtime-selection.ts";
import { runVersionCommands } from "../../src/runtimes/version-commands.ts";
import { programDirectory } from "../support/program-directory.ts";

test("detected runtimes are put into the variable and not mistaken for an override", async () => {
  const environment: NodeJS.ProcessEnv = { PATH: imageWithRubyAndPython() };

  const bootstrap = await bootstrapRuntimes(environment, runVersionCommands());

  expect(environment["ATTUNE_SENSOR_RUNTIMES"]).toBe("python,ruby");
  expect(bootstrap.runtimesFromEnvironment).toBeUndefined();
});

test("a value from outside is kept, its aliases are resolved, and detection still runs", async () => {
  const environment: NodeJS.ProcessEnv = {
    PATH: imageWithRubyAndPython(),
    ATTUNE_SENSOR_RUNTIMES: "Python3, standalone",
  };

  const bootstrap = await bootstrapRuntimes(environment, runVersionCommands());

  expect(environment["ATTUNE_SENSOR_RUNTIMES"]).toBe("Python3, standalone");
  expect(bootstrap.runtimesFromEnvironment).toEqual(["python", "native"]);
  expect(bootstrap.detectedInterpreters.map(({ name }) => name)).toEqual(["python", "ruby"]);
});

test("an empty variable counts as unset", async () => {
  const environment: NodeJS.ProcessEnv = { PATH: imageWithRubyAndPython(), ATTUNE_SENSOR_RUNTIMES: " ," };

  expect(
    (await bootstrapRuntimes(environment, runVersionCommands())).runtimesFromEnvironment,
  ).toBeUndefined();
  expect(environment["ATTUNE_SENSOR_RUNTIMES"]).toBe("python,ruby");
});

test("variables set aside for the image's programs are restored only for those", async () => {
  const programs = programDirectory();
  programs.script("ruby", `echo "1.\${#LD_LIBRARY_PATH}.0"`);

  const bootstrap = await bootstrapRuntimes(
    { PATH: programs.path, "@D_LIBRARY_PATH": "/opt/lib" },
    runVersionCommands(),
  );

  expect(bootstrap.detectedInterpreters[0]?.version).toBe("1.8.0");
  expect(bootstrap.agentVariables.own).not.toHaveProperty("LD_LIBRARY_PATH");
  expect(bootstrap.agentVariables.restored["LD_LIBRARY_PATH"]).toBe("/opt/lib");
});

test("the environment takes precedence over the configuration, and the configuration over detection", () => {
  expect(selectRuntimes("sh", ["node"])).toEqual({ kind: "override", by: "environment", names: ["shell"] });
  expect(selectRuntimes(undefined, ["Node.js"])).toEqual({ kind: "override", by: "config", names: ["node"] });
  expect(selectRuntimes(undefined, undefined)).toEqual({ kind: "detection" });
});

function imageWithRubyAndPython(): string {
  const programs = programDirectory();
  programs.script("ruby", "echo 3.1.2");
  programs.script("python3", "echo 3.11.2");
  return programs.path;
}

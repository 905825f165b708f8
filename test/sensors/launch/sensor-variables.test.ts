import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { SensorDefinition } from "../../../src/model/definitions.ts";
import { sensorVariables, type VariableFacts } from "../../../src/sensors/launch/sensor-variables.ts";
import { decodeExecutionConfig } from "../../../src/sensors/launch/execution-config.ts";
import { fitVariables } from "../../../src/sensors/launch/oversized-variables.ts";

const trigger = { id: "1", label: "", enabled: true, paramSchema: {}, outSchema: {} };
const sensor: SensorDefinition = {
  id: "12",
  ref: "garden.thermometer",
  packRef: "garden",
  label: "Thermometer",
  entrypoint: "t.py",
  runtimeRef: "core.sensor.python",
  protocol: "stream",
  enabled: true,
  config: { seconds: 2, "api-key.name": "x y", list: [1, null], nested: { a: true }, none: null },
  paramSchema: {},
  pollIntervalSeconds: null,
  timeoutSeconds: null,
  successExitCodes: [0],
  runtimeVersionConstraint: null,
  triggers: [
    { ...trigger, ref: "garden.temperature" },
    { ...trigger, ref: "garden.frost" },
  ],
};
const facts: VariableFacts = {
  agent: { own: { PATH: "/bin" }, restored: { PATH: "/bin" } },
  passthrough: [],
  logLevel: "info",
  logFormat: "json",
  artifactsDir: "/artifacts",
  stateDir: "/state/garden.thermometer",
  sensor,
  rules: [{ id: "7", ref: "garden.hot", triggerRef: "garden.temperature", triggerParams: { above: 30 } }],
  checkpoint: undefined,
  changes: [],
  ofKind: {},
};

test("only allowed variables of the agent reach a sensor", () => {
  const own = {
    PATH: "/bin",
    HOME: "/root",
    LC_TIME: "C",
    TZ: "UTC",
    HTTP_PROXY: "http://proxy",
    DATABASE_URL: "postgresql://u:p@h/d",
    ATTUNE__DATABASE__URL: "postgresql://u:p@h/d",
    ATTUNE__SECURITY__JWT_SECRET: "s",
    ATTUNE_MQ_URL: "amqp://u:p@h",
    OTHER: "x",
  };
  const passthrough = ["HTTP_PROXY", "DATABASE_URL", "ATTUNE__SECURITY__JWT_SECRET", "ATTUNE_MQ_URL"];

  const variables = sensorVariables({ ...facts, agent: { own, restored: own }, passthrough });

  const inherited = Object.keys(variables).filter((name) => name in own);
  expect(inherited).toEqual(["PATH", "HOME", "LC_TIME", "TZ", "HTTP_PROXY"]);
});

test.each([
  [{}, { LANG: "C.UTF-8" }],
  [{ LANG: "" }, { LANG: "C.UTF-8" }],
  [{ LC_TIME: "C" }, { LC_TIME: "C", LANG: "C.UTF-8" }],
  [{ LANG: "POSIX" }, { LANG: "POSIX" }],
  [{ LC_ALL: "de_DE.UTF-8" }, { LC_ALL: "de_DE.UTF-8" }],
  [{ LC_CTYPE: "C" }, { LC_CTYPE: "C" }],
])("of the locale %j a sensor gets %j", (locale, expected) => {
  const own = { PATH: "/bin", ...locale };

  const variables = sensorVariables({ ...facts, agent: { own, restored: own } });

  expect(Object.fromEntries(Object.entries(variables).filter(([name]) => /^(LANG|LC_)/.test(name)))).toEqual(
    expected,
  );
});

test("variables set aside by the executable are restored", () => {
  const own = { PATH: "/bin" };
  const restored = { PATH: "/bin", LD_LIBRARY_PATH: "/opt/lib", NODE_OPTIONS: "--max-old-space-size=64" };

  const variables = sensorVariables({ ...facts, agent: { own, restored } });

  expect(variables).toMatchObject({ LD_LIBRARY_PATH: "/opt/lib", NODE_OPTIONS: "--max-old-space-size=64" });
});

test("a sensor gets its identity, its triggers and its configuration", () => {
  const variables = sensorVariables({ ...facts, checkpoint: { line: 3 } });

  expect(variables).toEqual({
    PATH: "/bin",
    LANG: "C.UTF-8",
    ATTUNE_SENSOR_ID: "12",
    ATTUNE_SENSOR_REF: "garden.thermometer",
    ATTUNE_SENSOR_TRIGGERS: JSON.stringify([
      {
        id: 7,
        rule_id: 7,
        ref: "garden.hot",
        rule_ref: "garden.hot",
        trigger_ref: "garden.temperature",
        config: { above: 30 },
        trigger_params: { above: 30 },
      },
    ]),
    ATTUNE_SENSOR_TRIGGER_TYPES: '["garden.temperature","garden.frost"]',
    ATTUNE_SENSOR_CONFIG_JSON: JSON.stringify(sensor.config),
    ATTUNE_SENSOR_CONFIG_SECONDS: "2",
    ATTUNE_SENSOR_CONFIG_API_KEY_NAME: "x y",
    ATTUNE_SENSOR_CONFIG_LIST: "[1,null]",
    ATTUNE_SENSOR_CONFIG_NESTED: '{"a":true}',
    ATTUNE_SENSOR_CONFIG_NONE: "null",
    ATTUNE_PACK_REF: "garden",
    ATTUNE_LOG_LEVEL: "info",
    ATTUNE_LOG_FORMAT: "json",
    ATTUNE_ARTIFACTS_DIR: "/artifacts",
    ATTUNE_SENSOR_STATE_DIR: "/state/garden.thermometer",
    ATTUNE_SENSOR_CHECKPOINT: '{"line":3}',
  });
});

test("a sensor gets the variables of its kind, and text checkpoints unchanged", () => {
  const variables = sensorVariables({
    ...facts,
    ofKind: { SENSOR_REF: "garden.thermometer" },
    checkpoint: "line 3",
  });

  expect(variables).toMatchObject({
    SENSOR_REF: "garden.thermometer",
    ATTUNE_SENSOR_CHECKPOINT: "line 3",
  });
});

test("a runtime's variables are set, prepended and appended, but cannot pose as the agent's", () => {
  const { variables: changes, problems } = decodeExecutionConfig({
    env_vars: {
      PLAIN: "p",
      PATH: { operation: "prepend", value: "/env/bin" },
      FRESH: { operation: "append", value: "only", separator: ";" },
      ATTUNE_SENSOR_ID: "99",
      "not a name": "x",
      WRONG: { operation: "shout", value: "x" },
    },
  });

  const variables = sensorVariables({ ...facts, changes: [...changes] });

  expect(variables).toMatchObject({
    PLAIN: "p",
    PATH: "/env/bin:/bin",
    FRESH: "only",
    ATTUNE_SENSOR_ID: "12",
  });
  expect(problems.length).toBe(2);
});

test("a value too large for the kernel is put into a file that goes with its process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "attune-fit-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const large = "x".repeat(200_000);
  let file: string;
  {
    await using fitted = await fitVariables({ SMALL: "a\0b", LARGE: large }, folder);
    expect(fitted.variables).toEqual({ SMALL: "ab", LARGE_FILE: expect.any(String) });
    file = fitted.variables["LARGE_FILE"] ?? "";
    expect(readFileSync(file, "utf8")).toBe(large);
    expect((await stat(file)).mode & 0o077).toBe(0);
  }

  await expect(stat(file)).rejects.toThrow("ENOENT");
});

test("a value that cannot be put into a file leaves no folder behind", async () => {
  const folder = mkdtempSync(join(tmpdir(), "attune-fit-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  // No file can have this name.
  const fitting = fitVariables(
    { LARGE: "x".repeat(200_000), ["N".repeat(300)]: "x".repeat(200_000) },
    folder,
  );

  await expect(fitting).rejects.toThrow("ENAMETOOLONG");

  expect(readdirSync(folder)).toEqual([]);
});

import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { RuntimeDefinition } from "../../../src/model/definitions.ts";
import type { JsonValue } from "../../../src/model/json/json.ts";
import { decodeOutcome, type RuntimeOutcome } from "../../../src/model/runtimes/runtime-outcome.ts";
import { decodeRuntimePlan } from "../../../src/model/runtimes/runtime-plan.ts";

const json = fc.json().map((text): JsonValue => JSON.parse(text));

test("a row is decoded with its commands in order of priority and defaults filled in", () => {
  const decoded = decodeRuntimePlan(
    row({
      distributions: {
        verification: {
          commands: [
            { binary: "last" },
            { binary: "python", args: ["--version"], pattern: "Python 3\\.", priority: 2, exit_code: 3 },
            { binary: "python3", args: ["--version"], priority: 1 },
          ],
        },
        min_version: "3.8",
        recommended_version: "3.11",
      },
      installation: { apt: "apt-get install python3", docs: "https://example.org/python" },
      executionConfig: { interpreter: { binary: "python3", args: ["-u"] } },
    }),
  );

  expect(decoded).toMatchObject({
    kind: "valid",
    value: {
      ref: "test.sensor.python",
      name: "python",
      isAlwaysAvailable: false,
      commands: [
        { binary: "python3", args: ["--version"], exitCode: 0, pattern: null },
        { binary: "python", exitCode: 3, pattern: { source: "Python 3\\." } },
        { binary: "last", args: [] },
      ],
      minVersion: "3.8",
      recommendedVersion: "3.11",
      interpreter: { binary: "python3", args: ["-u"] },
      installationHint: "apt: apt-get install python3; docs: https://example.org/python",
    },
  });
});

test.each<[string, Partial<RuntimeDefinition>, string]>([
  ["no metadata at all", { distributions: {} }, "neither commands nor always_available"],
  ["distributions that are a list", { distributions: [] }, "distributions is not a JSON object"],
  ["commands that are no list", { distributions: { verification: { commands: "x" } } }, "is not a list"],
  ["a command without a binary", commands({ args: [] }), "commands[0].binary is not a program's name"],
  [
    "arguments that are numbers",
    commands({ binary: "x", args: [1] }),
    "args holds something that is not text",
  ],
  ["an exit code that is text", commands({ binary: "x", exit_code: "0" }), "exit_code is not a whole number"],
  ["a pattern that is none", commands({ binary: "x", pattern: "(" }), "pattern is not a regular expression"],
  ["a priority that is text", commands({ binary: "x", priority: "1" }), "priority is not a number"],
  [
    "a minimum that is no version",
    { distributions: { verification: { always_available: true }, min_version: "new" } },
    "min_version is not a version",
  ],
  [
    "an always_available that is text",
    { distributions: { verification: { always_available: "yes" } } },
    "always_available is neither true nor false",
  ],
  [
    "an interpreter without a binary",
    { ...commands({ binary: "x" }), executionConfig: { interpreter: {} } },
    "execution_config.interpreter.binary",
  ],
])("a row with %s is malformed, and the place is named", (_, parts, problem) => {
  expect(decodeRuntimePlan(row(parts))).toEqual({
    kind: "invalid",
    problem: expect.stringContaining(problem),
  });
});

test("whatever JSON a row holds, decoding it gives a plan or a problem", () => {
  const verification = fc.record({ verification: fc.record({ commands: json, always_available: json }) });

  fc.assert(
    fc.property(fc.oneof(json, verification), json, json, (distributions, installation, executionConfig) => {
      const decoded = decodeRuntimePlan(row({ distributions, installation, executionConfig }));
      expect(["valid", "invalid"]).toContain(decoded.kind);
    }),
  );
});

test("an outcome that was kept is understood again, and anything else is not", () => {
  const outcomes: RuntimeOutcome[] = [
    { kind: "available", interpreter: "/bin/x", interpreterArgs: ["-u"], version: null, remark: "old" },
    { kind: "too-old", path: "/bin/x", version: "1.0", minVersion: "2.0", hint: null },
    { kind: "missing", reason: "x is not on PATH", hint: "install x" },
    { kind: "malformed", problem: "no commands" },
  ];
  for (const outcome of outcomes) {
    expect(decodeOutcome(JSON.parse(JSON.stringify(outcome)))).toEqual(outcome);
  }

  fc.assert(
    fc.property(json, (value) => {
      expect(decodeOutcome(value)).toBeUndefined();
    }),
  );
});

function row(parts: Partial<RuntimeDefinition>): RuntimeDefinition {
  return {
    id: "1",
    ref: "test.sensor.python",
    packRef: "test",
    name: "Python",
    description: null,
    distributions: { verification: { always_available: true } },
    installation: null,
    executionConfig: {},
    ...parts,
  };
}

function commands(...list: JsonValue[]): Partial<RuntimeDefinition> {
  return { distributions: { verification: { commands: list } } };
}

import { expect, test } from "vitest";
import { detectionReportJson, detectionReportText } from "../../src/agent/detection-report.ts";

const python = { name: "python", path: "/usr/bin/python3", version: "3.11.2" };
const ruby = { name: "ruby", path: "/usr/local/bin/ruby", version: null };

test("the text lists each interpreter and ends with the variable", () => {
  expect(
    detectionReportText({ detectedInterpreters: [python, ruby], runtimesFromEnvironment: undefined }),
  ).toBe(
    [
      "Interpreters found on PATH:",
      "✓ python /usr/bin/python3 (3.11.2)",
      "✓ ruby /usr/local/bin/ruby (version unknown)",
      "ATTUNE_SENSOR_RUNTIMES=python,ruby",
      "",
    ].join("\n"),
  );
});

test("an image without interpreters is reported as such", () => {
  expect(detectionReportText({ detectedInterpreters: [], runtimesFromEnvironment: undefined })).toBe(
    "No interpreters were found on PATH.\nATTUNE_SENSOR_RUNTIMES=\n",
  );
});

test("under an override the text lists what it keeps, lacks and leaves out", () => {
  const override = ["python", "node", "haskell", "native", "builtin"];

  expect(
    detectionReportText({ detectedInterpreters: [python, ruby], runtimesFromEnvironment: override }),
  ).toBe(
    [
      "ATTUNE_SENSOR_RUNTIMES is set and is a hard override: only the runtimes it names are offered.",
      "✓ python /usr/bin/python3 (3.11.2)",
      "✗ node (named, but not found on PATH)",
      "? haskell (named; only its row in the database defines how to find it)",
      "✓ native (executables run directly)",
      "✓ builtin (inside the agent)",
      "- ruby /usr/local/bin/ruby (version unknown) was found but is left out",
      "ATTUNE_SENSOR_RUNTIMES=python,node,haskell,native,builtin",
      "",
    ].join("\n"),
  );
});

test("the JSON has the same content, with and without an override", () => {
  const detectedInterpreters = [python, ruby];

  expect(
    JSON.parse(detectionReportJson({ detectedInterpreters, runtimesFromEnvironment: undefined })),
  ).toEqual({ runtimes: ["python", "ruby"], detected_interpreters: [python, ruby], override: null });
  expect(
    JSON.parse(
      detectionReportJson({
        detectedInterpreters,
        runtimesFromEnvironment: ["python", "node", "haskell", "native"],
      }),
    ),
  ).toEqual({
    runtimes: ["python", "node", "haskell", "native"],
    detected_interpreters: [python, ruby],
    override: {
      variable: "ATTUNE_SENSOR_RUNTIMES",
      kept: ["python", "native"],
      not_found: ["node"],
      not_probed: ["haskell"],
      left_out: ["ruby"],
    },
  });
});

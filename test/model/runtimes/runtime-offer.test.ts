import { expect, test } from "vitest";
import { offerRuntimes, type JudgedRuntime } from "../../../src/model/runtimes/runtime-offer.ts";
import type { RuntimeOutcome } from "../../../src/model/runtimes/runtime-outcome.ts";
import { canonicalRuntimeName } from "../../../src/model/runtimes/runtime-names.ts";
import { selectRuntimes } from "../../../src/model/runtimes/runtime-selection.ts";

const detection = selectRuntimes(undefined, undefined);
const python = { name: "python", path: "/usr/bin/python3", version: "3.11.2" };
const perl = { name: "perl", path: "/usr/bin/perl", version: "5.36.0" };

test("detected interpreters without a row and verified rows are offered together, and builtin always", () => {
  const { capabilities } = offerRuntimes(
    detection,
    [
      judged("core.sensor.python", "python", available("/usr/bin/python3", "3.11.2")),
      missing("ghc", "haskell"),
    ],
    [python, perl],
  );

  expect(capabilities.runtimes.toSorted()).toEqual(["builtin", "perl", "python"]);
  expect(capabilities.runtimeVersions).toEqual({ python: "3.11.2", perl: "5.36.0" });
  expect(capabilities.detectedInterpreters).toEqual([python, perl]);
});

test("where a row defines a runtime it alone decides: too old is not offered for being detected", () => {
  const tooOld = judged("core.sensor.python", "python", {
    kind: "too-old",
    path: "/usr/bin/python3",
    version: "3.6.1",
    minVersion: "3.8",
    hint: null,
  });

  const offer = offerRuntimes(detection, [tooOld], [python]);

  expect(offer.capabilities.runtimes).toEqual(["builtin"]);
  expect(offer.answers.get("core.sensor.python")).toEqual({
    kind: "unavailable",
    reason: "/usr/bin/python3 is 3.6.1, older than the required 3.8",
  });
});

test("of two rows with one name the available one makes the name offered", () => {
  const offer = offerRuntimes(
    detection,
    [
      missing("core.sensor.python", "python"),
      judged("my.python", "python", available("/opt/python", "3.13.0")),
    ],
    [],
  );

  expect(offer.capabilities.runtimes).toContain("python");
  expect(offer.answers.get("core.sensor.python")).toMatchObject({ kind: "unavailable" });
  expect(offer.answers.get("my.python")).toMatchObject({
    kind: "offered",
    runtime: { ref: "my.python", name: "python", interpreter: "/opt/python", version: "3.13.0" },
  });
});

test("native is offered only when an override names it, whatever its row says", () => {
  const native = judged("core.sensor.native", "native", available(null, null));

  const detected = offerRuntimes(detection, [native], []);
  expect(detected.capabilities.runtimes).toEqual(["builtin"]);
  expect(detected.answers.get("core.sensor.native")).toMatchObject({ kind: "unavailable" });

  for (const selection of [selectRuntimes("standalone", undefined), selectRuntimes(undefined, ["native"])]) {
    const named = offerRuntimes(selection, [native], []);
    expect(named.capabilities.runtimes).toEqual(["native", "builtin"]);
    expect(named.answers.get("core.sensor.native")).toMatchObject({
      kind: "offered",
      runtime: { interpreter: null },
    });
  }
});

test("an override offers what it names and nothing else, and a missing interpreter is reported", () => {
  const offer = offerRuntimes(
    selectRuntimes("python,haskell", ["node"]),
    [
      judged("core.sensor.python", "python", available("/usr/bin/python3", "3.11.2")),
      judged("core.sensor.nodejs", "Node.js", available("/usr/bin/node", "20.0.0")),
      missing("my.haskell", "haskell"),
    ],
    [python, perl],
  );

  expect(offer.capabilities.runtimes).toEqual(["python", "haskell", "builtin"]);
  expect(offer.capabilities.runtimeVersions).toEqual({ python: "3.11.2" });
  expect(offer.answers.get("core.sensor.nodejs")).toEqual({
    kind: "unavailable",
    reason: "node is excluded by the override ATTUNE_SENSOR_RUNTIMES",
  });
  expect(offer.answers.get("my.haskell")).toEqual({
    kind: "unavailable",
    reason: "not on PATH; install it",
  });
});

function judged(ref: string, name: string, outcome: RuntimeOutcome): JudgedRuntime {
  return { ref, name: canonicalRuntimeName(name), executionConfig: {}, outcome };
}

function available(interpreter: string | null, version: string | null): RuntimeOutcome {
  return { kind: "available", interpreter, interpreterArgs: [], version, remark: null };
}

function missing(ref: string, name: string): JudgedRuntime {
  return judged(ref, name, { kind: "missing", reason: "not on PATH", hint: "install it" });
}

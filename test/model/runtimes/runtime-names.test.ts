import * as fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalRuntimeName, canonicalRuntimeNames } from "../../../src/model/runtimes/runtime-names.ts";

test.each([
  ["nodejs", "node"],
  ["Node.js", "node"],
  ["node", "node"],
  ["python3", "python"],
  ["Python", "python"],
  ["bash", "shell"],
  ["sh", "shell"],
  ["Shell", "shell"],
  ["builtin", "builtin"],
  ["Built-in Sensor", "builtin"],
  ["standalone", "native"],
  ["Native", "native"],
  ["golang", "go"],
  ["Rscript", "r"],
  ["rb", "ruby"],
  [" Haskell ", "haskell"],
])("%s is called %s", (name, canonical) => {
  expect(canonicalRuntimeName(name)).toBe(canonical);
});

test("a canonical name is its own canonical name, whatever it came from", () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const canonical = canonicalRuntimeName(name);
      expect(canonicalRuntimeName(canonical)).toBe(canonical);
      expect(canonicalRuntimeName(name.toUpperCase())).toBe(canonicalRuntimeName(name.toLowerCase()));
    }),
  );
});

test("a list of names folds aliases and repetitions and keeps its order", () => {
  expect(canonicalRuntimeNames(["python3", "", " sh", "bash", "Python", "native"])).toEqual([
    "python",
    "shell",
    "native",
  ]);
});

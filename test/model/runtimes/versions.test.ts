import * as fc from "fast-check";
import { expect, test } from "vitest";
import { versionInOutput } from "../../../src/model/runtimes/version-output.ts";
import { isAtLeast, satisfiesVersion } from "../../../src/model/runtimes/versions.ts";

test.each([
  ["GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", "5.2.15"],
  ["Python 3.11.2\n", "3.11.2"],
  ["v26.10.0\n", "26.10.0"],
  ["ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]", "3.1.2"],
  ["go version go1.22.3 linux/amd64", "1.22.3"],
  ['openjdk version "17.0.2" 2022-01-18', "17.0.2"],
  ['java version "1.8.0_292"', "1.8.0"],
  ["Rscript (R) version 4.2.2 (2022-10-31)", "4.2.2"],
  ["\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64-linux-gnu", "5.36.0"],
  ["BusyBox v1.35.0 (Debian 1:1.35.0-4) multi-call binary.", "1.35.0"],
  ["sh: 0: Illegal option --", null],
  ["", null],
])("the version in %j is %s", (output, version) => {
  expect(versionInOutput(output)).toBe(version);
});

test("whatever a program prints, its version is digits and dots or unknown", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (output) => {
      expect(versionInOutput(output) ?? "0.0").toMatch(/^\d+(\.\d+)+$/);
    }),
  );
});

test.each([
  ["3.8", "3.8", true],
  ["3.10.1", "3.9", true],
  ["3.7.17", "3.8", false],
  ["20.0.0", "16.0.0", true],
  ["unknown", "3.8", undefined],
  ["3.8", "three", undefined],
])("%s is at least %s: %s", (version, minimum, expected) => {
  expect(isAtLeast(version, minimum)).toBe(expected);
});

test("of two versions, one is at least the other, and numbers are compared as numbers", () => {
  const version = fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999));

  fc.assert(
    fc.property(version, version, (one, other) => {
      const oneIsNewer = one.find((part, index) => part !== other[index]);
      const firstDifference = one.findIndex((part, index) => part !== other[index]);
      const expected = oneIsNewer === undefined || oneIsNewer > (other[firstDifference] ?? 0);

      expect(isAtLeast(one.join("."), other.join("."))).toBe(expected);
    }),
  );
});

test.each([
  ["3.11.2", ">=3.9 <3.13", true],
  ["3.8", ">=3.9", false],
  ["3.11.2", ">=3.9,<4.0", true],
  ["4.0.0", ">=3.9, <4.0", false],
  ["18.4.1", "~18.0", false],
  ["3.12.7", "3.12", true],
  ["20.1", "^20", true],
  ["unknown", "^20", false],
  ["1.0.0", "newest please", false],
])("%s under the constraint %j: %s", (version, constraint, expected) => {
  expect(satisfiesVersion(version, constraint)).toBe(expected);
});

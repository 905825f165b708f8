import { expect, test } from "vitest";
import { Reported } from "../../src/telemetry/reported.ts";

test("a text is new once, and again when it changes", () => {
  const reported = new Reported<string>();

  expect(reported.isNew("python", "3.13")).toBe(true);
  expect(reported.isNew("python", "3.13")).toBe(false);
  expect(reported.isNew("ruby", "3.13")).toBe(true);
  expect(reported.isNew("python", "3.14")).toBe(true);
  expect(reported.isNew("python", "3.13")).toBe(true);
});

test("a subject that is gone is named once, and is new when it returns", () => {
  const reported = new Reported<string>();
  reported.isNew("python", "3.13");
  reported.isNew("ruby", "3.4");

  expect(reported.keepOnly(new Set(["ruby"]))).toEqual(["python"]);
  expect(reported.keepOnly(new Set(["ruby"]))).toEqual([]);
  expect(reported.isNew("python", "3.13")).toBe(true);
});

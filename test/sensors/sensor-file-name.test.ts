import { expect, test } from "vitest";
import { sensorFileName } from "../../src/sensors/sensor-file-name.ts";

test.each([
  ["core.timers", "core.timers"],
  ["../../etc/cron.d/x", "__.._etc_cron.d_x"],
  ["..", "_"],
  ["a/b\0c", "a_b_c"],
  ["x".repeat(300), "x".repeat(200)],
])("the files of the sensor %j are called %j", (ref, name) => {
  expect(sensorFileName(ref)).toBe(name);
});

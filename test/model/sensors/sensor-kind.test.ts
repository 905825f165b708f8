import { expect, test } from "vitest";
import { sensorKindOf } from "../../../src/model/sensors/sensor-kind.ts";

const script = { runtimeRef: "core.sensor.python", runtimeName: "python" };
const unsupported = (what: string) => ({
  kind: "invalid",
  problem: `${what} not supported by this version`,
});

test.each([
  [
    { ...script, protocol: "poll" },
    { kind: "valid", value: "poll" },
  ],
  [
    { ...script, protocol: "stream" },
    { kind: "valid", value: "stream" },
  ],
  [
    { ...script, protocol: "standalone" },
    { kind: "valid", value: "standalone" },
  ],
  [{ ...script, protocol: "telepathy" }, unsupported("protocol telepathy is")],
  [
    { protocol: "poll", runtimeRef: "core.sensor.builtin", runtimeName: null },
    unsupported("built-in sensors are"),
  ],
  [
    { protocol: "stream", runtimeRef: "own.sensor.inside", runtimeName: "builtin" },
    unsupported("built-in sensors are"),
  ],
  [
    { protocol: "standalone", runtimeRef: "core.sensor.builtin", runtimeName: "builtin" },
    unsupported("built-in sensors are"),
  ],
])("a sensor with %j is of a supported kind, or has a reason why not", (traits, expected) => {
  expect(sensorKindOf(traits)).toEqual(expected);
});

import { expect, test } from "vitest";
import { sensorKindOf } from "../../../src/model/sensors/sensor-kind.ts";

const script = { entrypoint: "watch.py", runtimeRef: "core.sensor.python", runtimeName: "python" };
const unsupported = (what: string) => ({
  kind: "invalid",
  problem: `${what} not supported by this version`,
});

const builtin = (name: string) => ({
  kind: "invalid",
  problem: `"${name}" is no built-in sensor of this version`,
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
  [{ protocol: "poll", entrypoint: "", runtimeRef: "core.sensor.builtin", runtimeName: null }, builtin("")],
  [
    { protocol: "stream", entrypoint: "sundial", runtimeRef: "own.sensor.inside", runtimeName: "builtin" },
    builtin("sundial"),
  ],
  [
    {
      protocol: "standalone",
      entrypoint: "sundial",
      runtimeRef: "core.sensor.builtin",
      runtimeName: "builtin",
    },
    builtin("sundial"),
  ],
])("a sensor with %j is of a supported kind, or has a reason why not", (traits, expected) => {
  expect(sensorKindOf(traits)).toEqual(expected);
});

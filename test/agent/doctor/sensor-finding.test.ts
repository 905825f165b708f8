import { expect, test } from "vitest";
import { sensorFinding } from "../../../src/agent/doctor/sensor-finding.ts";
import type { SensorStanding } from "../../../src/database/statements/diagnosis.ts";

const wanted: SensorStanding = {
  sensorRef: "my.tick",
  isEnabled: true,
  triggerRef: "my.ticked",
  triggers: 1,
  disabledTriggers: [],
  rules: 1,
  enabledRules: 1,
  effectiveRules: 1,
  holder: null,
  process: null,
};

function told(standing: Partial<SensorStanding>, obstacles?: string): string {
  const { state, detail } = sensorFinding({ ...wanted, ...standing }, obstacles, "waits");
  return `${state}: ${detail}`;
}

test("why a sensor is not to run is told by its first cause", () => {
  const idle = { enabledRules: 0, effectiveRules: 0 };

  expect(told({ ...idle, isEnabled: false })).toBe("notice: does not run: it is disabled");
  expect(told({ ...idle, triggers: 0, rules: 0 })).toBe("wrong: does not run: there is no trigger my.ticked");
  expect(told({ effectiveRules: 0, disabledTriggers: ["my.ticked"] })).toBe(
    "notice: does not run: its trigger my.ticked is disabled",
  );
  expect(told({ ...idle, rules: 0 })).toBe(
    "notice: does not run: no enabled rule wants its events (no rule has its trigger my.ticked)",
  );
  expect(told({ ...idle, rules: 2 })).toBe(
    "notice: does not run: no enabled rule wants its events (none of its 2 rules is enabled)",
  );
});

test("a sensor that should run and has no worker is told with what is in its way", () => {
  expect(told({}, "no sensor worker is alive")).toBe("wrong: runs nowhere: no sensor worker is alive");
  expect(told({})).toBe("notice: waits");
});

test("a sensor that nobody runs keeps the last words of its last failure", () => {
  const process = {
    status: "stopped",
    worker: "w1",
    isCurrent: false,
    pid: null,
    failures: 2,
    exitCode: 1,
    signal: null,
    reason: "the worker is stopping",
    stderrExcerpt: "no such file",
    startedAt: null,
    stoppedAt: null,
    nextRestartAt: null,
    secondsSinceStart: null,
    secondsToRestart: null,
  } as const;

  expect(sensorFinding({ ...wanted, process }, undefined, "waits").lines).toEqual([
    "before, it failed 2 times in a row on worker w1",
    "no such file",
  ]);
});

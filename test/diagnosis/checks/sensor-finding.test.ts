import { expect, test } from "vitest";
import { sensorFinding } from "../../../src/diagnosis/checks/sensor-finding.ts";
import type { SensorProcessStanding, SensorStanding } from "../../../src/database/statements/diagnosis.ts";

const wanted: SensorStanding = {
  sensorRef: "my.tick",
  isEnabled: true,
  protocol: "stream",
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

const noOutput = {
  lastOutputAt: null,
  outputIntervalSeconds: null,
  recentRuns: 0,
  recentFailures: 0,
  longestSilenceSeconds: null,
  secondsSinceOutput: null,
} as const;

test("a stream sensor that printed regularly and has long been silent is wrong, until it is usual again", () => {
  const printed = {
    status: "running",
    worker: "w1",
    isCurrent: true,
    pid: 7,
    failures: 0,
    exitCode: null,
    signal: null,
    reason: null,
    stderrExcerpt: null,
    startedAt: new Date(0),
    firstOutputAt: new Date(1),
    lastOutputAt: new Date(2),
    outputIntervalSeconds: 2,
    recentRuns: 0,
    recentFailures: 0,
    longestSilenceSeconds: 15,
    secondsSinceOutput: 3 * 3_600,
    stoppedAt: null,
    nextRestartAt: null,
    secondsSinceStart: 8 * 3_600,
    secondsToRestart: null,
  } as const;
  const telling = (change: Partial<SensorProcessStanding>): string =>
    told({ holder: "w1", process: { ...printed, ...change } });

  expect(telling({})).toBe(
    "wrong: runs on worker w1, pid 7, and has printed nothing for 3 h; usually it prints every 2 s, and after 15 s at the latest",
  );
  expect(telling({ secondsSinceOutput: 299 })).toMatch(/^good: runs/);
  expect(telling({ longestSilenceSeconds: 1_200 })).toMatch(/^good: runs/);
  expect(telling({ longestSilenceSeconds: null })).toMatch(/^good: runs/);
  // Started anew a moment ago, after days without an agent.
  expect(telling({ secondsSinceStart: 20 })).toMatch(/^good: runs/);
  expect(telling({ firstOutputAt: null })).toMatch(/^wrong: .* has printed nothing for 3 h/);
});

test("a poll sensor that fails every other time is wrong while it runs, and a stream sensor is not told so", () => {
  const polled = {
    status: "running",
    worker: "w1",
    isCurrent: true,
    pid: null,
    failures: 0,
    exitCode: null,
    signal: null,
    reason: null,
    stderrExcerpt: null,
    startedAt: new Date(0),
    firstOutputAt: null,
    ...noOutput,
    recentRuns: 10,
    recentFailures: 5,
    stoppedAt: null,
    nextRestartAt: null,
    secondsSinceStart: 8,
    secondsToRestart: null,
  } as const;
  const telling = (protocol: string, change: Partial<SensorProcessStanding> = {}): string =>
    told({ holder: "w1", protocol, process: { ...polled, ...change } });

  expect(telling("poll")).toBe("wrong: runs on worker w1, but 5 of its last 10 runs failed");
  expect(telling("poll", { status: "starting" })).toMatch(/^wrong: /);
  expect(telling("poll", { recentFailures: 1 })).toMatch(/^good: runs/);
  expect(telling("poll", { recentRuns: 2, recentFailures: 1 })).toMatch(/^good: runs/);
  expect(telling("stream")).not.toContain("of its last");
});

test("a stream sensor that runs and has printed nothing for a while is told so, any other is not", () => {
  const running = {
    status: "running",
    worker: "w1",
    isCurrent: true,
    pid: 7,
    failures: 0,
    exitCode: null,
    signal: null,
    reason: null,
    stderrExcerpt: null,
    startedAt: new Date(0),
    firstOutputAt: null,
    ...noOutput,
    stoppedAt: null,
    nextRestartAt: null,
    secondsSinceStart: 300,
    secondsToRestart: null,
  } as const;
  const runs = { holder: "w1", process: running };

  expect(told(runs)).toBe("notice: runs on worker w1 for 5 min, pid 7, and has printed nothing yet");
  expect(sensorFinding({ ...wanted, ...runs }, undefined, "").remedy).toContain("stdbuf -oL");
  expect(told({ ...runs, protocol: "poll" })).toBe("good: runs on worker w1 for 5 min, pid 7");
  expect(told({ ...runs, process: { ...running, firstOutputAt: new Date(1) } })).toMatch(/^good: runs/);
  expect(told({ ...runs, process: { ...running, secondsSinceStart: 20 } })).toMatch(/^good: runs/);
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
    firstOutputAt: null,
    ...noOutput,
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

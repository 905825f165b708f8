import { expect, test } from "vitest";
import { sensorFinding } from "../../../src/diagnosis/checks/sensor-finding.ts";
import type { SensorProcessStanding, SensorStanding } from "../../../src/database/statements/diagnosis.ts";

const wanted: SensorStanding = {
  sensorRef: "my.tick",
  isEnabled: true,
  protocol: "stream",
  entrypoint: "watch.py",
  runtimeRef: "core.sensor.python",
  runtimeName: "python",
  triggerRef: "my.ticked",
  triggers: 1,
  disabledTriggers: [],
  rules: 1,
  enabledRules: 1,
  effectiveRules: 1,
  holder: null,
  process: null,
};

function told(standing: Partial<SensorStanding>, obstacle?: string): string {
  const unplaced = obstacle === undefined ? undefined : { reason: obstacle, remedy: "start an agent" };
  const { state, detail } = sensorFinding({ ...wanted, ...standing }, unplaced, "waits");
  return `${state}: ${detail}`;
}

test("a sensor that should not run is reported with the first reason", () => {
  const idle = { enabledRules: 0, effectiveRules: 0 };

  expect(told({ ...idle, isEnabled: false })).toBe("notice: does not run: it is disabled");
  expect(told({ ...idle, triggers: 0, rules: 0 })).toBe(
    "wrong: does not run: its trigger my.ticked does not exist",
  );
  expect(told({ effectiveRules: 0, disabledTriggers: ["my.ticked"] })).toBe(
    "notice: does not run: its trigger my.ticked is disabled",
  );
  expect(told({ ...idle, rules: 0 })).toBe(
    "notice: does not run: no enabled rule needs its events (no rule uses its trigger my.ticked)",
  );
  expect(told({ ...idle, rules: 2 })).toBe(
    "notice: does not run: no enabled rule needs its events (all of its 2 rules are disabled)",
  );
  expect(told({ ...idle, rules: 1 })).toBe(
    "notice: does not run: no enabled rule needs its events (its only rule is disabled)",
  );
});

test("a sensor that should run but has no worker is reported with the obstacle", () => {
  expect(told({}, "no sensor worker is alive")).toBe("wrong: cannot run: no sensor worker is alive");
  expect(sensorFinding(wanted, { reason: "all are full", remedy: "start another" }, "waits").remedy).toBe(
    "start another",
  );
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

test("a stream sensor that printed regularly and then falls silent is wrong, until the silence is usual for it", () => {
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
    "wrong: is running on worker w1, pid 7, but has printed nothing for 3 h; it usually prints every 2 s, and was never silent for more than 15 s",
  );
  expect(sensorFinding({ ...wanted, holder: "w1", process: printed }, undefined, "").remedy).toBe(
    "check whether it hangs or has lost its source; to restart it: attune-sensor-agent sensors restart my.tick",
  );
  expect(telling({ secondsSinceOutput: 299 })).toMatch(/^good: is running/);
  expect(telling({ longestSilenceSeconds: 1_200 })).toMatch(/^good: is running/);
  expect(telling({ longestSilenceSeconds: null })).toMatch(/^good: is running/);
  // Restarted a moment ago, after days without an agent.
  expect(telling({ secondsSinceStart: 20 })).toMatch(/^good: is running/);
  expect(telling({ firstOutputAt: null })).toMatch(/^wrong: .* has printed nothing for 3 h/);
});

test("a program that ends well but should keep running is probably meant for another protocol", () => {
  const ended: SensorProcessStanding = {
    status: "failed",
    worker: "w1",
    isCurrent: true,
    pid: null,
    failures: 4,
    exitCode: 0,
    signal: null,
    reason: "it exited on its own with code 0",
    stderrExcerpt: null,
    startedAt: new Date(0),
    firstOutputAt: null,
    ...noOutput,
    stoppedAt: null,
    nextRestartAt: null,
    secondsSinceStart: 8,
    secondsToRestart: 240,
  };
  const remedyOf = (change: Partial<SensorProcessStanding>, protocol = "stream"): string | null =>
    sensorFinding({ ...wanted, protocol, holder: "w1", process: { ...ended, ...change } }, undefined, "")
      .remedy;

  expect(remedyOf({})).toMatch(
    /^a stream sensor keeps running: let it, or write protocol: poll if it checks once and exits; it will be restarted/,
  );
  expect(remedyOf({ status: "backoff" })).toMatch(/^a stream sensor keeps running/);
  expect(remedyOf({}, "standalone")).toMatch(/^a standalone sensor keeps running/);
  expect(remedyOf({ exitCode: 1 })).toMatch(/^fix it; /);
  expect(remedyOf({}, "poll")).toMatch(/^fix it; /);
});

test("a poll sensor that fails every other time is wrong while it runs; a stream sensor is not judged by its runs", () => {
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

  expect(telling("poll")).toBe("wrong: is running on worker w1, but 5 of its last 10 runs failed");
  expect(telling("poll", { status: "starting" })).toMatch(/^wrong: /);
  expect(telling("poll", { recentFailures: 1 })).toBe("good: is running on worker w1, between two runs");
  expect(telling("poll", { recentRuns: 2, recentFailures: 1 })).toMatch(/^good: is running/);
  expect(telling("stream")).not.toContain("of its last");
  // A built-in sensor has neither runs nor a process.
  const builtin = { runtimeRef: "core.sensor.builtin", runtimeName: "builtin", entrypoint: "timers" };
  expect(told({ ...builtin, holder: "w1", protocol: "standalone", process: polled })).toBe(
    "good: is running on worker w1, started 8 s ago",
  );
});

test("only a stream sensor is reported for having printed nothing for a while", () => {
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

  expect(told(runs)).toBe(
    "notice: is running on worker w1, pid 7, but has printed nothing since it started 5 min ago",
  );
  expect(sensorFinding({ ...wanted, ...runs }, undefined, "").remedy).toContain("flush after each line");
  expect(told({ ...runs, protocol: "poll" })).toBe("good: is running on worker w1, pid 7, started 5 min ago");
  expect(told({ ...runs, process: { ...running, firstOutputAt: new Date(1) } })).toMatch(/^good: is running/);
  expect(told({ ...runs, process: { ...running, secondsSinceStart: 20 } })).toMatch(/^good: is running/);
});

test("a sensor that no worker runs is reported with the output of its last failure", () => {
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
    "previously, it failed 2 times in a row on worker w1",
    "no such file",
  ]);
});

test("a sensor that waits for something it needs is wrong, without a failure of its own", () => {
  const process: SensorProcessStanding = {
    ...noOutput,
    status: "backoff",
    worker: "w1",
    isCurrent: true,
    pid: null,
    failures: 0,
    reason: "the platform does not answer",
    stderrExcerpt: null,
    firstOutputAt: null,
    secondsSinceStart: null,
    secondsToRestart: 5,
    exitCode: null,
    signal: null,
    startedAt: null,
    stoppedAt: null,
    nextRestartAt: null,
  };

  expect(told({ holder: "w1", protocol: "standalone", process })).toBe(
    "wrong: waits on worker w1: the platform does not answer; it will be restarted in 5 s",
  );
});

/**
 * What a long-running sensor may do to its agent, each with its defined, visible result.
 */
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { AcceptOutcome } from "../../src/model/sensors/incoming-event.ts";
import { differencesFromCoreSchema } from "../support/core-trigger.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { isRunning } from "../../scripts/services/is-running.ts";
import { sensorBench } from "./sensor-bench.ts";

const wait = "while :; do sleep 0.02; done";
const restart = {
  isRestartEnabled: true,
  delayMsFirst: 20,
  delayMsMax: 60_000,
  restartsMax: 3,
  stableAfterMs: 60_000,
};

test("a sensor that keeps crashing is restarted with growing delays, then marked failed and announced once", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.crash", { script: `echo "no disk, top-secret" >&2; exit 3` });
  bench.manager.start();

  const row = await bench.rowMatching(id, { status: "failed" });

  expect(row).toMatchObject({ failures: 4, exit_code: 3, pid: null, reason: "it exited with code 3" });
  expect(row.stderr_excerpt).toBe("no disk, [redacted]");
  expect(row.next_restart_at).toBeInstanceOf(Date);
  expect(bench.counts.sensorRestarted).toBe(3);
  expect(bench.manager.failedCount()).toBe(1);
  expect(bench.statuses).toEqual([
    ...["starting", "running", "backoff"].map((status) => `test.crash ${status}`),
    ...["starting", "running", "backoff"].map((status) => `test.crash ${status}`),
    ...["starting", "running", "backoff"].map((status) => `test.crash ${status}`),
    ...["starting", "running", "failed"].map((status) => `test.crash ${status}`),
  ]);
  expect(bench.alerts.map((alert) => alert.payload)).toEqual([
    {
      sensor_ref: "test.crash",
      reason: "it exited with code 3",
      failures: 4,
      exit_code: 3,
      signal: null,
      stderr: ["no disk, [redacted]"],
    },
  ]);
  expect(bench.alerts.flatMap(({ payload }) => differencesFromCoreSchema("alert", payload))).toEqual([]);
});

test("a stream sensor that exits with 0 has ended unexpectedly all the same", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, delayMsFirst: 60_000 } } });
  const id = await bench.add("test.done", { script: `echo '{"n": 1}'` });
  bench.manager.start();

  await bench.rowMatching(id, {
    status: "backoff",
    exit_code: 0,
    reason: "it exited on its own with code 0",
  });

  expect(bench.payloads()).toEqual([{ n: 1 }]);
});

test("a sensor that ends by a signal is reported with it", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, delayMsFirst: 60_000 } } });
  const id = await bench.add("test.signal", { script: "kill -SEGV $$" });
  bench.manager.start();

  await bench.rowMatching(id, { status: "backoff", signal: "SIGSEGV", exit_code: null });
});

test("with restarts disabled a sensor is tried once", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, isRestartEnabled: false } } });
  const id = await bench.add("test.once", { script: "exit 1" });
  bench.manager.start();

  await bench.rowMatching(id, { status: "failed", failures: 1, next_restart_at: null });

  expect(bench.alerts.length).toBe(1);
});

// Goal: a run of an hour forgives the failures before it.
// Method: a manual clock; the process itself ends when it is asked to.
test("a sensor that ends after an hour starts again at the first delay", async () => {
  const clock = fakeClock();
  await using bench = await sensorBench({ clock, limits: { restart: { ...restart, delayMsFirst: 1_000 } } });
  const flag = join(bench.folder, "long");
  const id = await bench.add("test.hour", { script: `[ -e ${flag} ] || exit 1; echo '{}'; ${wait}` });
  const row = async () => {
    await clock.advance(100); // The recorder pauses between writes.
    return bench.rowOf(id);
  };
  bench.manager.start();
  await expect.poll(row).toMatchObject({ status: "backoff", failures: 1 });
  await clock.advance(1_000);
  await expect.poll(row).toMatchObject({ status: "backoff", failures: 2 });
  writeFileSync(flag, "");
  await clock.advance(2_000);
  await expect.poll(() => bench.events.length).toBe(1);
  await expect.poll(row).toMatchObject({ status: "running", failures: 2 });

  await clock.advance(3_600_000);
  process.kill((await bench.rowOf(id))?.pid ?? 0, "SIGKILL");

  await expect.poll(row).toMatchObject({ status: "backoff", failures: 1, signal: "SIGKILL" });
});

test("stopping kills a sensor that ignores SIGTERM, with all descendants, even those that left its group", async () => {
  await using bench = await sensorBench({ limits: { graceMs: 200 } });
  const script = `
    trap '' TERM
    sleep 300 & echo "{\\"pid\\": $!}"
    setsid sh -c 'echo "{\\"pid\\": $$}"; exec sleep 300' &
    echo "{\\"pid\\": $$}"; ${wait}`;
  const id = await bench.add("test.stubborn", { script });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(3);
  const pids = bench.payloads().map((payload) => Number(payload["pid"]));
  expect(pids.map(isRunning)).toEqual([true, true, true]);

  await bench.manager.stop();

  await expect.poll(() => pids.map(isRunning)).toEqual([false, false, false]);
  expect(await bench.rowOf(id)).toMatchObject({
    status: "stopped",
    pid: null,
    reason: "the worker is stopping",
  });
  expect(bench.stopped).toEqual([id]);
});

test("events that a sensor prints while it stops are still stored", async () => {
  await using bench = await sensorBench();
  await bench.add("test.last", {
    script: `trap 'echo "{\\"n\\": \\"last\\"}"; exit 0' TERM; echo '{}'; ${wait}`,
  });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1);

  await bench.manager.stop();

  expect(bench.payloads()).toEqual([{}, { n: "last" }]);
});

test("grandchildren of a sensor that crashed are gone before it starts again", async () => {
  await using bench = await sensorBench({
    limits: { restart: { ...restart, delayMsFirst: 60_000 }, graceMs: 200 },
  });
  const script = `(trap '' TERM; ${wait}) & setsid sh -c 'echo "{\\"pid\\": $$}"; exec sleep 300' &
    echo "{\\"pid\\": $!}"; sleep 0.2; exit 1`;
  const id = await bench.add("test.forks", { script });
  bench.manager.start();

  await bench.rowMatching(id, { status: "backoff" });

  const pids = bench.payloads().map((payload) => Number(payload["pid"]));
  expect(pids.length).toBe(2);
  await expect.poll(() => pids.map(isRunning)).toEqual([false, false]);
});

test("a sensor that closes its output but runs on is ended and restarted", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, delayMsFirst: 60_000 } } });
  const id = await bench.add("test.mute", { script: `echo '{}'; exec >&-; ${wait}` });
  bench.manager.start();

  const row = await bench.rowMatching(id, { status: "backoff" });

  expect(row.reason).toContain("closed its output");
  expect(bench.events.length).toBe(1);
});

test("output that is not an event is counted and logged; the sensor and its other events continue", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.odd", { entrypoint: "odd-output.mjs", runtimeRef: "core.sensor.nodejs" });
  bench.manager.start();

  await expect.poll(() => bench.payloads().at(-1)?.["n"], { timeout: 10_000 }).toBe("last");

  expect(bench.payloads().map((payload) => JSON.stringify(payload["n"]).length - 2)).toEqual([
    5,
    1024 * 1024 - 40,
    4,
  ]);
  expect(bench.counts.linesRejected).toBe(6);
  await bench.rowMatching(id, { status: "running", failures: 0 });
  await expect.poll(() => bench.log("test.odd")).toContain("does not serve the trigger somebody.elses");
  const log = await bench.log("test.odd");
  expect(log).toContain("the line of 10485760 bytes is too long");
  expect(log).toContain("the line is not UTF-8");
  expect(log).toContain(String.raw`: "{\"payload\": {\"half\""`);
  expect(log.match(/the line is not a JSON object/g)?.length).toBe(2);
  expect(bench.warnings().filter((warning) => warning.includes("rejected")).length).toBe(1);
});

// Goal: while events are not stored, the sensor waits in its write and the agent holds only so many.
// Method: a sink that stores nothing until released; the sensor reports when it has written everything.
test("a slow sink makes the sensor wait and loses nothing", async () => {
  const gate = Promise.withResolvers<void>();
  const accept = async (): Promise<AcceptOutcome> => {
    await gate.promise;
    return { kind: "stored", eventId: "1" };
  };
  await using bench = await sensorBench({ accept });
  await bench.add("test.many", { entrypoint: "many-lines.mjs", runtimeRef: "core.sensor.nodejs" });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1_000);
  await sleep(300); // Nothing may happen: nothing to wait for.
  expect(bench.events.length).toBe(1_000);
  expect(await bench.log("test.many")).not.toContain("all written");

  gate.resolve();

  await expect.poll(() => bench.events.length, { timeout: 20_000 }).toBe(50_000);
  expect(bench.payloads().every((payload, index) => payload["number"] === index)).toBe(true);
  await expect.poll(() => bench.log("test.many")).toContain("all written");
});

test("stopping is bounded while nothing can be stored", async () => {
  const accept = (): Promise<AcceptOutcome> => new Promise(() => {});
  await using bench = await sensorBench({ accept, limits: { graceMs: 200, settleMs: 200 } });
  await bench.add("test.many", { entrypoint: "many-lines.mjs", runtimeRef: "core.sensor.nodejs" });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1_000);
  const startMs = performance.now();

  await bench.manager.stop();

  expect(performance.now() - startMs).toBeLessThan(20_000);
  expect(bench.events.length).toBe(1_000);
});

interface Refusal {
  readonly name: string;
  readonly sensor: Parameters<Awaited<ReturnType<typeof sensorBench>>["add"]>[1];
  readonly reason: string;
}

const refusals: readonly Refusal[] = [
  { name: "a missing script", sensor: { entrypoint: "gone.sh" }, reason: "gone.sh does not exist" },
  {
    name: "a native sensor without execute permission",
    sensor: { entrypoint: "script.sh", runtimeRef: "core.sensor.native" },
    reason: "chmod +x",
  },
  {
    name: "an interpreter that is gone",
    sensor: { runtimeRef: "test.gone" },
    reason: "/no/such/interpreter does not exist",
  },
  {
    name: "a runtime not offered",
    sensor: { runtimeRef: "test.other" },
    reason: "does not offer the runtime test.other",
  },
  {
    name: "an entrypoint that leads out",
    sensor: { entrypoint: "../../../etc/passwd" },
    reason: "leads out of",
  },
];

test.for(refusals)("$name is a failure with a reason", async ({ sensor, reason }) => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, delayMsFirst: 60_000 } } });
  bench.runtimes.set("test.gone", {
    ref: "test.gone",
    name: "gone",
    interpreter: "/no/such/interpreter",
    interpreterArgs: [],
    version: null,
    executionConfig: {},
  });
  const id = await bench.add("test.refused", sensor);
  bench.manager.start();

  const row = await bench.rowMatching(id, { status: "backoff", failures: 1 });
  expect(bench.warnings()).toContainEqual(
    expect.stringMatching(/^sensor test\.\w+ could not be started; trying again: /),
  );

  expect(row.reason).toContain(reason);
});

test("a full disk loses log lines, visibly, and nothing else", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, delayMsFirst: 60_000 } } });
  const logsDir = join(bench.folder, "logs");
  mkdirSync(logsDir);
  symlinkSync("/dev/full", join(logsDir, "test.chatty.log"));
  const script = `echo one >&2; echo two >&2; echo '{"n": 1}'; ${wait}`;
  const id = await bench.add("test.chatty", { script });
  bench.manager.start();

  await expect.poll(() => bench.counts.logLinesLost).toBe(2);
  await expect.poll(() => bench.events.length).toBe(1);

  expect(bench.warnings().filter((warning) => warning.includes("log are being lost")).length).toBe(1);
  const { pid } = await bench.rowMatching(id, { status: "running" });
  process.kill(pid ?? 0, "SIGKILL");
  // Lines that could not be written are still quoted as the reason of its end.
  await bench.rowMatching(id, { status: "backoff", stderr_excerpt: "one\ntwo" });
});

test("a sensor stopped during its backoff stops at once", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, delayMsFirst: 60_000 } } });
  const id = await bench.add("test.crash", { script: "exit 1" });
  bench.manager.start();
  await bench.rowMatching(id, { status: "backoff" });

  bench.held.clear();
  bench.manager.wake();

  await bench.rowMatching(id, { status: "stopped", next_restart_at: null });
  expect(bench.manager.isRunning(id)).toBe(false);
  expect(bench.stopped).toEqual([id]);
});

test("wrong permissions, once corrected, are found by a call", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, delayMsFirst: 60_000 } } });
  const sensors = join(bench.folder, "packs/test/sensors");
  rmSync(sensors);
  mkdirSync(sensors);
  const file = join(sensors, "native");
  writeFileSync(file, `#!/bin/sh\necho '{}'; ${wait}\n`);
  chmodSync(file, 0o644);
  const id = await bench.add("test.native", { entrypoint: "native", runtimeRef: "core.sensor.native" });
  bench.manager.start();
  await bench.rowMatching(id, { status: "backoff" });

  chmodSync(file, 0o755);
  expect(bench.manager.retryNow(id)).toBe(true);

  await bench.rowMatching(id, { status: "running", failures: 0, reason: null });
});

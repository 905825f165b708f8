import { dirname } from "node:path";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { SensorQueues } from "../../src/sensors/ports.ts";
import { isRunning } from "../../scripts/services/is-running.ts";
import { systemClock } from "../../src/time/clock.ts";
import { fakePlatform } from "../support/fake-platform.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { sensorBench, type BenchOptions } from "./sensor-bench.ts";

/** A bench with a platform; `wait_for_ever` in a script keeps a program running. */
async function standaloneBench(options: BenchOptions & { queues?: SensorQueues } = {}) {
  const clock = options.clock ?? systemClock;
  const platform = fakePlatform(clock, options.queues ?? null);
  const bench = await sensorBench({ platform, ...options });
  return Object.assign(bench, { platform });
}

const standalone = { protocol: "standalone" };
const waitForEver = "while :; do sleep 0.1; done";

test("a program is given its token, its addresses and its rules, and what it prints is its log", async () => {
  await using bench = await standaloneBench();
  const names = "ATTUNE_API_URL ATTUNE_API_TOKEN ATTUNE_NOTIFIER_WS_URL ATTUNE_ALLOW_INSECURE_NOTIFIER_WS";
  const script = `for name in ${names} ATTUNE_SENSOR_TRIGGERS; do eval "echo $name=\\$$name"; done
    cat "$ATTUNE_SENSOR_TOKEN_STATE_PATH"; echo '{"n": 1}'; echo to stderr >&2; [ -d "$ATTUNE_SENSOR_STATE_DIR" ] && echo kept; ${waitForEver}`;
  const id = await bench.add("test.one", { ...standalone, script });
  bench.manager.start();

  await expect.poll(() => bench.log("test.one")).toContain("kept");
  const log = await bench.log("test.one");

  expect(log).toContain("ATTUNE_API_URL=http://127.0.0.1:8080\n");
  expect(log).toContain("ATTUNE_API_TOKEN=token-1\n");
  expect(log).toContain("ATTUNE_NOTIFIER_WS_URL=ws://127.0.0.1:8080/ws\n");
  expect(log).toContain("ATTUNE_ALLOW_INSECURE_NOTIFIER_WS=false\n");
  expect(log).toContain('"ref":"test.rule"');
  expect(log).toContain('{"token":"token-1","expires_at":"');
  expect(log).toContain('{"n": 1}');
  expect(log).toContain("to stderr");
  expect(bench.events).toEqual([]);
  expect(bench.platform.requests).toEqual([
    {
      sensorRef: "test.one",
      sensorId: id,
      triggerRefs: ["test.happened"],
      term: bench.term,
      ttlSeconds: 86_400,
    },
  ]);
});

test("a program that is told to stop may die by the signal; its token is revoked and its file removed", async () => {
  await using bench = await standaloneBench();
  const id = await bench.add("test.one", {
    ...standalone,
    script: `echo "$ATTUNE_SENSOR_TOKEN_STATE_PATH"; ${waitForEver}`,
  });
  bench.manager.start();
  await expect.poll(() => bench.log("test.one")).toContain("token.json");
  const path = (/\S+token\.json/.exec(await bench.log("test.one")) ?? [""])[0];
  expect(existsSync(path)).toBe(true);

  bench.held.delete(id);
  bench.manager.wake();
  const row = await bench.rowMatching(id, { status: "stopped" });

  expect(row).toMatchObject({ failures: 0, signal: "SIGTERM", pid: null });
  expect(bench.platform.revoked).toEqual(["jti-1"]);
  expect(existsSync(dirname(path))).toBe(false);
  expect(bench.alerts).toEqual([]);
});

test("a program that is killed is started again with a token of its own, and knows the rules of now", async () => {
  await using bench = await standaloneBench();
  const id = await bench.add("test.one", {
    ...standalone,
    script: `echo "rules $ATTUNE_SENSOR_TRIGGERS"; ${waitForEver}`,
  });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running", pid: expect.any(Number) });
  await insertRule(bench.database, { ref: "test.second", triggerRef: "test.happened" });
  bench.manager.wake();

  process.kill(pid ?? 0, "SIGKILL");
  await expect.poll(() => bench.log("test.one"), { timeout: 10_000 }).toContain('"ref":"test.second"');

  await bench.rowMatching(id, { status: "running", failures: 1 });
  expect(bench.platform.requests).toHaveLength(2);
  await expect.poll(() => bench.platform.revoked).toEqual(["jti-1"]);
});

test("a change of its rules does not restart a program, and a change of its config does", async () => {
  await using bench = await standaloneBench();
  const id = await bench.add("test.one", { ...standalone, script: waitForEver });
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running", pid: expect.any(Number) });
  bench.platform.connect("test.one", 1);

  await insertRule(bench.database, { ref: "test.second", triggerRef: "test.happened" });
  bench.manager.wake();
  // Something that the manager does in the same step shows that the step is over.
  const other = await bench.add("test.other", { ...standalone, script: waitForEver });
  bench.manager.wake();
  await bench.rowMatching(other, { status: "running" });
  expect((await bench.rowOf(id))?.pid).toBe(pid);

  await query(bench.database, `update sensor set config = config || '{"more": 1}' where id = $1`, [id]);
  bench.manager.wake();
  await expect.poll(async () => (await bench.rowOf(id))?.pid !== pid, { timeout: 10_000 }).toBe(true);
  await expect.poll(() => isRunning(pid ?? 0)).toBe(false);
});

test("without a token the row shows why, no failure is counted, and it starts once there is one", async () => {
  await using bench = await standaloneBench();
  bench.platform.refuse("the platform at http://far:8080 does not answer");
  const id = await bench.add("test.one", { ...standalone, script: waitForEver });
  bench.manager.start();

  await bench.rowMatching(id, {
    status: "backoff",
    reason: "the platform at http://far:8080 does not answer",
    failures: 0,
    next_restart_at: expect.any(Date),
  });
  bench.platform.refuse(undefined);

  await bench.rowMatching(id, { status: "running", reason: null, failures: 0, next_restart_at: null });
});

test("without an API a standalone sensor fails with what to do", async () => {
  await using bench = await sensorBench({ limits: { restart: noRestart } });
  const id = await bench.add("test.one", { ...standalone, script: waitForEver });
  bench.manager.start();

  await bench.rowMatching(id, { status: "failed", reason: expect.stringContaining("set api.enabled") });
});

test("a program that uses no newer token is restarted before the old one expires, as no failure", async () => {
  let leapMs = 0;
  const clock = { ...systemClock, nowMs: () => Date.now() + leapMs };
  await using bench = await standaloneBench({ clock: leaping(clock), limits: { tokenTtlSeconds: 100 } });
  const id = await bench.add("test.one", {
    ...standalone,
    script: `echo "with $ATTUNE_API_TOKEN"; ${waitForEver}`,
  });
  bench.manager.start();
  await expect.poll(() => bench.log("test.one")).toContain("with token-1");

  leapMs = 45_000;
  await expect.poll(() => bench.platform.requests.length, { timeout: 10_000 }).toBe(2);
  leapMs = 75_000;
  await expect.poll(() => bench.log("test.one"), { timeout: 10_000 }).toContain("with token-3");

  expect(await bench.log("test.one")).toContain("restarted: its token is about to expire");
  await bench.rowMatching(id, { status: "running", failures: 0 });
  await expect.poll(() => bench.platform.revoked).toEqual(["jti-1", "jti-2"]);
});

test("a program whose connection is gone for too long is deaf: visible, and started again", async () => {
  await using bench = await standaloneBench({ limits: { deafAfterMs: 400 } });
  const id = await bench.add("test.one", { ...standalone, script: waitForEver });
  bench.platform.connect("test.one", 1);
  bench.manager.start();
  const { pid } = await bench.rowMatching(id, { status: "running", pid: expect.any(Number) });
  await expect.poll(() => bench.manager.observations.deafSeconds().size).toBe(0);

  bench.platform.connect("test.one", 0);
  await expect.poll(() => bench.manager.observations.deafSeconds().has("test.one")).toBe(true);
  await expect
    .poll(() => bench.log("test.one"), { timeout: 10_000 })
    .toContain("it no longer hears of rule changes");

  const row = await bench.rowMatching(id, { status: "running", failures: 1 });
  expect(row.pid).not.toBe(pid);
});

test("a program that can hear of new rules in no other way is restarted with them", async () => {
  await using bench = await standaloneBench({ limits: { deafAfterMs: 400 } });
  const id = await bench.add("test.one", {
    ...standalone,
    script: `echo "rules $ATTUNE_SENSOR_TRIGGERS"; ${waitForEver}`,
  });
  bench.manager.start();
  await bench.rowMatching(id, { status: "running" });

  await insertRule(bench.database, { ref: "test.second", triggerRef: "test.happened" });
  bench.manager.wake();

  await expect.poll(() => bench.log("test.one"), { timeout: 10_000 }).toContain('"ref":"test.second"');
  expect((await bench.rowOf(id))?.failures).toBe(0);
});

test("the queue is emptied before the rules are read, and removed when the sensor is gone", async () => {
  await using fresh = await queueWorld();
  const { bench, order } = fresh;
  const id = await bench.add("test.one", {
    ...standalone,
    script: `echo "rules $ATTUNE_SENSOR_TRIGGERS"; echo "broker $ATTUNE_MQ_URL $ATTUNE_MQ_EXCHANGE"; ${waitForEver}`,
  });
  bench.manager.start();
  await expect.poll(() => bench.log("test.one")).toContain("broker amqp://here attune.events");

  expect(await bench.log("test.one")).toContain('"ref":"test.at-purge"');
  bench.held.delete(id);
  bench.manager.wake();
  await bench.rowMatching(id, { status: "stopped" });

  expect(order).toEqual(["prepare test.one", "remove test.one"]);
});

const noRestart = {
  isRestartEnabled: false,
  delayMsFirst: 20,
  delayMsMax: 60_000,
  restartsMax: 3,
  stableAfterMs: 60_000,
};

/** Sleeps are short, so that a leap of the wall clock is noticed at once. */
function leaping(clock: typeof systemClock): typeof systemClock {
  return { ...clock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 50), signal) };
}

/** Queues that insert a rule when they are emptied: whatever is read after that must know it. */
async function queueWorld() {
  const order: string[] = [];
  const queues: SensorQueues = {
    variables: async () => ({ ATTUNE_MQ_URL: "amqp://here", ATTUNE_MQ_EXCHANGE: "attune.events" }),
    prepare: async (sensorRef) => {
      order.push(`prepare ${sensorRef}`);
      await insertRule(bench.database, { ref: "test.at-purge", triggerRef: "test.happened" });
    },
    remove: async (sensorRef) => void order.push(`remove ${sensorRef}`),
    consumerCount: async () => 1,
  };
  const bench = await standaloneBench({ queues });
  return { bench, order, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() };
}

import { expect, test } from "vitest";
import { WakeableLoop } from "../../src/concurrency/wakeable-loop.ts";
import { messageOf } from "../../src/errors/caught.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";

/** A clock that the test advances; sleeps are listed. */
function clockByHand(): Clock & { readonly sleeps: number[]; pass(): Promise<void> } {
  let wakeSleeper = (): void => {};
  const sleeps: number[] = [];
  return {
    ...systemClock,
    sleeps,
    sleep(ms, signal) {
      sleeps.push(ms);
      return new Promise((resolve) => {
        wakeSleeper = resolve;
        if (signal?.aborted) resolve();
        signal?.addEventListener("abort", () => resolve());
      });
    },
    async pass() {
      wakeSleeper();
      await settle();
    },
  };
}

/** Lets everything continue that can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function start(step: () => Promise<void>): {
  loop: WakeableLoop;
  clock: ReturnType<typeof clockByHand>;
  reports: string[];
  stop: () => Promise<void>;
} {
  const clock = clockByHand();
  const reports: string[] = [];
  const loop = new WakeableLoop({
    step,
    intervalMs: 1_000,
    retryDelayMs: (count) => count * 10,
    onFailure: (error) => void reports.push(messageOf(error)),
    onRecovery: () => void reports.push("recovered"),
    clock,
  });
  const ending = new AbortController();
  const run = loop.run(ending.signal);
  return {
    loop,
    clock,
    reports,
    async stop() {
      ending.abort();
      await run;
    },
  };
}

test("a step runs at once, and again after each interval", async () => {
  let steps = 0;
  const { clock, stop } = start(async () => void (steps += 1));
  await settle();
  expect(steps).toBe(1);

  await clock.pass();
  expect(steps).toBe(2);
  expect(clock.sleeps).toEqual([1_000, 1_000]);
  await stop();
});

test("wakes during a step cause exactly one further step, which starts after they were given", async () => {
  const gates: (() => void)[] = [];
  const { loop, stop } = start(() => new Promise((resolve) => gates.push(resolve)));
  await settle();
  for (let n = 0; n < 5; n += 1) loop.wake();
  await settle();
  expect(gates).toHaveLength(1);

  gates[0]?.();
  await settle();
  expect(gates).toHaveLength(2);
  gates[1]?.();
  await settle();
  expect(gates).toHaveLength(2);
  await stop();
});

test("a wake ends the wait", async () => {
  let steps = 0;
  const { loop, stop } = start(async () => void (steps += 1));
  await settle();

  loop.wake();
  await settle();

  expect(steps).toBe(2);
  await stop();
});

test("a failing step is retried with growing delays, and a wake does not shorten them", async () => {
  let steps = 0;
  const { loop, clock, reports, stop } = start(async () => {
    steps += 1;
    if (steps <= 2) throw new Error("away");
  });
  await settle();
  loop.wake();
  await settle();
  expect(steps).toBe(1);

  await clock.pass();
  await clock.pass();

  expect(steps).toBe(3);
  expect(reports).toEqual(["away", "away", "recovered"]);
  expect(clock.sleeps).toEqual([10, 20, 1_000]);
  await stop();
});

test("stopping waits for the current step", async () => {
  let finish = (): void => {};
  let hasEnded = false;
  const { stop } = start(() => new Promise((resolve) => (finish = resolve)));
  await settle();

  const stopped = stop().then(() => (hasEnded = true));
  await settle();
  expect(hasEnded).toBe(false);
  finish();
  await stopped;
});

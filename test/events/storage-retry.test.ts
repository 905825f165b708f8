import { expect, test } from "vitest";
import { StorageRetry } from "../../src/events/storage-retry.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { fakeClock } from "../support/fake-clock.ts";

test("however long the database has been away, it is asked again within a second", async () => {
  const clock = fakeClock();
  const retry = new StorageRetry({ logger: silentLogger, clock, random: () => 0 });
  const askedAtMs: number[] = [];
  const answered = retry.untilAnswered(async () => {
    askedAtMs.push(clock.monotonicMs());
    if (askedAtMs.length < 12) throw new Error("the database is away");
  }, new AbortController().signal);

  await expect.poll(() => clock.sleeperCount()).toBe(1);
  await clock.advance(40_000);
  await answered;

  const pausesMs = askedAtMs.slice(1).map((atMs, index) => atMs - (askedAtMs[index] ?? 0));
  expect(pausesMs.slice(0, 4)).toEqual([100, 200, 400, 800]);
  expect(Math.max(...pausesMs)).toBe(1_000);
});

test("one quick failure is no outage; two are, and a slow one is, until something is stored", () => {
  const retry = new StorageRetry({ logger: silentLogger, clock: fakeClock(), random: () => 0 });
  const states = (...tookMs: readonly number[]): readonly string[] =>
    tookMs.map((each) => {
      retry.note(new Error("cancelled"), each);
      return retry.health().state;
    });

  expect(states(9_999, 0)).toEqual(["up", "down"]);
  retry.recovered();
  expect(states(30_000)).toEqual(["down"]);
  expect(retry.health().detail).toMatch(/^1 attempt in a row .*cancelled; events wait$/);
  retry.recovered();
  expect(retry.health().state).toBe("up");
  expect(states(0)).toEqual(["up"]);
});

test("once something is stored, failures are counted and pauses grow from the beginning", async () => {
  const clock = fakeClock();
  const retry = new StorageRetry({ logger: silentLogger, clock, random: () => 0 });
  const states: string[] = [];
  const pausesMs: number[] = [];
  for (const isAnswered of [false, false, true, false, false]) {
    if (isAnswered) retry.recovered();
    else {
      const startedAtMs = clock.monotonicMs();
      const pausing = retry.pauseAfter(new Error("away"), new AbortController().signal);
      states.push(retry.health().state);
      while (clock.sleeperCount() > 0) await clock.advance(50);
      await pausing;
      pausesMs.push(clock.monotonicMs() - startedAtMs);
    }
  }

  expect(states).toEqual(["up", "down", "up", "down"]);
  expect(pausesMs).toEqual([100, 200, 100, 200]);
});

import { expect, test } from "vitest";
import { recentFacts } from "../../src/telemetry/recent-facts.ts";
import type { Clock } from "../../src/time/clock.ts";

function clockAt(time: { ms: number }): Clock {
  return { nowMs: () => time.ms, monotonicMs: () => time.ms, sleep: () => Promise.resolve() };
}

test("concurrent requests cost one query, and a fresh result is reused", async () => {
  let queries = 0;
  const time = { ms: 10_000 };
  const facts = recentFacts(async () => ++queries, { freshMs: 100, waitMs: 1_000, clock: clockAt(time) });

  const answers = await Promise.all([facts(), facts(), facts()]);
  time.ms += 99;
  answers.push(await facts());
  time.ms += 1;
  answers.push(await facts());

  expect(answers).toEqual([1, 1, 1, 1, 2]);
});

test("a query that hangs blocks no caller and is not repeated concurrently", async () => {
  let queries = 0;
  const time = { ms: 10_000 };
  const hang = async () => {
    queries += 1;
    return new Promise<number>(() => {});
  };
  const facts = recentFacts(hang, { freshMs: 100, waitMs: 5, clock: clockAt(time) });

  const first = await facts();
  time.ms += 1_000;
  const second = await facts();

  expect([first, second, queries]).toEqual([undefined, undefined, 1]);
});

test("a failure is not a result, and is retried once it is old", async () => {
  const time = { ms: 10_000 };
  let isBroken = true;
  const read = async () => {
    if (isBroken) throw new Error("gone");
    return "facts";
  };
  const facts = recentFacts(read, { freshMs: 100, waitMs: 1_000, clock: clockAt(time) });
  expect(await facts()).toBeUndefined();

  isBroken = false;
  time.ms += 100;

  expect(await facts()).toBe("facts");
});

import { expect, test } from "vitest";
import { StartPacer } from "../../../src/sensors/launch/start-pacer.ts";
import { fakeClock } from "../../support/fake-clock.ts";

test("a few start at once, a thousand one after the other, in their order", async () => {
  const clock = fakeClock();
  const pacer = new StartPacer(clock, { burst: 10, intervalMs: 10 });
  const never = new AbortController().signal;
  const startedAtMs: number[] = [];

  const all = Array.from({ length: 1_000 }, async (_, index) => {
    await pacer.turn(never);
    startedAtMs[index] = clock.monotonicMs();
  });
  await clock.advance(0);
  await clock.advance(20_000);
  await Promise.all(all);

  expect(startedAtMs.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
  expect(startedAtMs.slice(10)).toEqual(Array.from({ length: 990 }, (_, index) => (index + 1) * 10));
});

test("a stopped caller does not wait for its turn", async () => {
  const clock = fakeClock();
  const pacer = new StartPacer(clock, { burst: 1, intervalMs: 60_000 });
  const stopping = new AbortController();
  await pacer.turn(stopping.signal);

  const waiting = pacer.turn(stopping.signal);
  stopping.abort();

  await waiting;
  expect(clock.monotonicMs()).toBe(0);
});

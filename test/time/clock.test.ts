import { expect, test } from "vitest";
import { systemClock } from "../../src/time/clock.ts";

test("a sleep ends after its time", async () => {
  const startedAtMs = systemClock.monotonicMs();

  await systemClock.sleep(20);

  expect(systemClock.monotonicMs() - startedAtMs).toBeGreaterThanOrEqual(19);
});

test("a sleep ends at once when its signal aborts, before or meanwhile, without an error", async () => {
  const waking = new AbortController();
  const sleep = systemClock.sleep(600_000, waking.signal);

  waking.abort();

  await sleep;
  await systemClock.sleep(600_000, waking.signal);
});

import { expect, test } from "vitest";
import { Changes } from "../../../src/concurrency/changes.ts";
import { SourcePace } from "../../../src/events/delivery/source-pace.ts";
import { fakeClock } from "../../support/fake-clock.ts";

function preparePace() {
  const clock = fakeClock();
  const changes = new Changes();
  const load = { inFlightCount: 3, bytesInFlight: 0, isBehind: false, confirmedAtMs: 0 };
  const limits = { inFlightMin: 3, bytesMin: 1_000 };
  return { clock, changes, load, pace: new SourcePace({ load, changes, limits, clock }) };
}

test("sources that wait at the same time share one wait, which ends with the crowding", async () => {
  const { clock, changes, load, pace } = preparePace();
  let isOver = false;

  const first = pace.ease();
  void first?.then(() => (isOver = true));
  expect(pace.ease()).toBe(first);
  changes.note();
  await clock.advance(0);
  expect(isOver).toBe(false);
  load.inFlightCount = 2;
  changes.note();
  await clock.advance(0);

  expect(isOver).toBe(true);
  expect(pace.ease()).toBeUndefined();
});

test("a wait ends soon after the broker has fallen silent", async () => {
  const { clock, pace } = preparePace();
  let isOver = false;

  void pace.ease()?.then(() => (isOver = true));
  await clock.advance(400);
  expect(isOver).toBe(false);
  await clock.advance(100);

  expect(isOver).toBe(true);
  expect(pace.ease()).toBeUndefined();
});

test("a wait takes a second at most, however crowded it is; the next event has a wait of its own", async () => {
  const { clock, load, pace } = preparePace();
  let isOver = false;

  const first = pace.ease();
  void first?.then(() => (isOver = true));
  while (clock.monotonicMs() < 900) {
    load.confirmedAtMs = clock.monotonicMs();
    await clock.advance(100);
  }
  load.confirmedAtMs = clock.monotonicMs();
  expect(isOver).toBe(false);
  await clock.advance(100);

  expect(isOver).toBe(true);
  expect(pace.ease()).not.toBe(first);
  expect(pace.ease()).toBeDefined();
});

import { expect, test } from "vitest";
import type { Database, Query } from "../../../src/database/database.ts";
import { decodeTimer } from "../../../src/model/schedules/timer-plan.ts";
import { Timer } from "../../../src/sensors/timers/timer.ts";
import { TimerProgress } from "../../../src/sensors/timers/timer-progress.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";

function timerOf(number: number): Timer {
  const row = {
    id: `${number}`,
    ref: `demo.timer${number}`,
    triggerRef: "core.intervaltimer",
    params: { interval: 1 },
    calendars: null,
    scheduleSinceMs: 0,
    pausedSinceMs: null,
    pauses: [],
    cursor: null,
  };
  return new Timer(row, decodeTimer, 0);
}

// Goal: however many timers fire, and however often, none waits for long until its progress is written.
// Method: 1,500 timers fire once a second each, and each statement takes a millisecond.
test("the progress of many fast timers is written all the time, a few timers at once", async () => {
  const clock = fakeClock(0);
  const writtenAtMs = new Map<string, number>();
  let mostAtOnce = 0;
  const query = async ({ values }: Query): Promise<{ rows: object[] }> => {
    const cursors = JSON.parse(String(values?.[3])) as { rule: string }[];
    mostAtOnce = Math.max(mostAtOnce, cursors.length);
    await clock.sleep(1);
    for (const { rule } of cursors) writtenAtMs.set(rule, clock.nowMs());
    return { rows: [{ is_held: true }] };
  };
  const relaxed = { query };
  const progress = new TimerProgress({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is used
    database: { relaxed } as unknown as Database,
    sensorId: "1",
    term: { generation: "1", instance: "i" },
    onFenced: () => {},
    clock,
    logger: silentLogger,
    random: () => 0,
  });
  const timers = Array.from({ length: 1_500 }, (_, number) => timerOf(number));
  const stopping = new AbortController();
  const run = progress.run(stopping.signal);

  for (let tick = 0; tick < 300; tick += 1) {
    for (let number = tick % 100; number < timers.length; number += 100) {
      const timer = timers[number];
      if (timer !== undefined) progress.note(timer);
    }
    await clock.advance(10);
  }
  const endMs = clock.nowMs();
  stopping.abort();
  await clock.advance(10_000);
  await run;

  expect(writtenAtMs.size).toBe(timers.length);
  expect(Math.max(...timers.map(({ id }) => endMs - (writtenAtMs.get(id) ?? 0)))).toBeLessThan(1_500);
  expect(mostAtOnce).toBeLessThanOrEqual(100);
});

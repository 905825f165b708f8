import { expect, test } from "vitest";
import { ActivitySummary } from "../../src/telemetry/activity-summary.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { recordingLogger } from "../support/recording-logger.ts";

function running() {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const summary = new ActivitySummary({ logger, clock });
  const stopping = new AbortController();
  let told = 0;
  const run = summary.run(stopping.signal);
  return {
    summary,
    /** A loop that was woken first comes to wait for its time. */
    advance: async (ms: number): Promise<void> => {
      await clock.advance(0);
      await clock.advance(ms);
    },
    /** The lines since the last call. */
    said: (): string[] => {
      const fresh = lines.slice(told).map(({ message }) => message);
      told = lines.length;
      return fresh;
    },
    lines,
    stop: async (): Promise<void> => {
      stopping.abort();
      await run;
    },
  };
}

test("activity is logged a second after the first event, and then at most once a minute", async () => {
  const { advance, summary, said, stop } = running();
  await advance(3_600_000);
  expect(said()).toEqual([]);

  summary.noteStored("a.b", 2);
  await advance(1_000);
  expect(said()).toEqual(["sensor a.b: 1 event stored, 2 matches in 1 s"]);

  for (let second = 0; second < 59; second += 1) {
    summary.noteStored("a.b", 0);
    summary.noteDuplicate("a.b");
    await advance(1_000);
  }
  expect(said()).toEqual([]);
  await advance(1_000);
  expect(said()).toEqual(["sensor a.b: 59 events stored, 59 duplicates in 60 s"]);

  await advance(3_600_000);
  expect(said()).toEqual([]);
  await stop();
});

test("rejected lines and events of the platform have their lines, with the numbers as fields", async () => {
  const { advance, summary, lines, stop } = running();

  summary.noteStored(null, 1);
  summary.noteStored(null, 0);
  summary.noteRejectedLines("a.b", 1);
  await advance(1_000);

  expect(lines).toEqual([
    {
      level: "info",
      message: "the platform itself: 2 events stored, 1 match in 1 s",
      fields: { events_stored: 2, matches: 1, duplicates: 0, lines_rejected: 0, seconds: 1 },
    },
    {
      level: "info",
      message: "sensor a.b: 0 events stored, 1 line rejected in 1 s",
      fields: {
        sensor_ref: "a.b",
        events_stored: 0,
        matches: 0,
        duplicates: 0,
        lines_rejected: 1,
        seconds: 1,
      },
    },
  ]);
  await stop();
});

test("of thousands of sensors the busiest have a line each, and all others share one", async () => {
  const { advance, summary, said, stop } = running();

  for (let sensor = 1; sensor <= 3_000; sensor += 1) summary.noteStored(`all.s${sensor}`, 0);
  for (let event = 0; event < 5; event += 1) summary.noteStored("all.s2999", 1);
  await advance(1_000);

  const lines = said();
  expect(lines).toHaveLength(20);
  expect(lines[0]).toBe("sensor all.s2999: 6 events stored, 5 matches in 1 s");
  expect(lines.at(-1)).toBe("2981 other sensors: 2981 events stored in 1 s");
  await stop();
});

test("the stop logs what was not logged yet", async () => {
  const { advance, summary, said, stop } = running();
  summary.noteStored("a.b", 0);
  await advance(1_000);
  said();

  summary.noteStored("a.b", 1);
  await stop();

  expect(said()).toEqual(["sensor a.b: 1 event stored, 1 match in 1 s"]);
});

import { expect, test } from "vitest";
import { LiveCounts } from "../../src/live/live-counts.ts";
import type { LiveReport } from "../../src/live/live-report.ts";
import { Activity } from "../../src/telemetry/activity.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { systemClock } from "../../src/time/clock.ts";

const pastOf = ({ history }: LiveReport): number => history.reduce((sum, [events]) => sum + events, 0);

function open() {
  const counts = new LiveCounts("a", new Activity(), systemClock);
  return { counts, metrics: counts.counting(createMetrics({ version: "1", withProcess: false })) };
}

test("an event is in a report's sum or in its history, never in both", () => {
  const { counts, metrics } = open();
  metrics.eventsStored("p.seen", 40);
  counts.begin();
  metrics.eventsStored("p.seen", 2);

  const first = counts.take({ withHistory: true });
  expect([first.events, pastOf(first)]).toEqual([2, 40]);

  metrics.eventsStored("p.seen", 3);
  expect(counts.take({ withHistory: false })).toMatchObject({ events: 3, history: [] });
  metrics.eventsStored("p.seen", 1);
  const again = counts.take({ withHistory: true });
  expect([again.events, pastOf(again)]).toEqual([1, 45]);
});

test("what nobody was told before the last viewer left is in the next history", () => {
  const { counts, metrics } = open();
  counts.begin();
  metrics.eventsStored("p.seen", 2);
  metrics.enforcementsCreated(1);
  counts.end();
  metrics.eventsStored("p.seen", 3);
  counts.begin();

  const report = counts.take({ withHistory: true });
  expect([report.events, pastOf(report)]).toEqual([0, 5]);
  expect(report.history.at(-1)?.[1]).toBe(1);
});

import { expect, test } from "vitest";
import { WatchFeed } from "../../../src/agent/watch/watch-feed.ts";
import type { ActivityEntry } from "../../../src/telemetry/activity.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const event: ActivityEntry = {
  kind: "event",
  eventId: "12",
  triggerRef: "demo.tick",
  sensorRef: "demo.clock",
  payload: {},
};
const match: ActivityEntry = {
  kind: "enforcement",
  enforcementId: "7",
  eventId: "12",
  ruleRef: "demo.rule",
  config: {},
};

test("above a readable rate only the numbers are shown", async () => {
  const clock = fakeClock();
  const lines: string[] = [];
  const feed = new WatchFeed({
    write: (line) => void lines.push(line),
    style: () => ({ isColoured: false, columns: 80 }),
    clock,
  });

  for (let time = 0; time < 1_000; time += 1) feed.show(event);
  for (let time = 0; time < 3; time += 1) feed.show(match);
  expect(lines).toHaveLength(50);
  await clock.advance(1_000);
  feed.show(match);

  expect(lines.slice(50)).toEqual([
    "          … not shown, events: 950, matches: 3\n",
    expect.stringMatching(/^\d\d:\d\d:\d\d {2}match +demo\.rule {2}enforcement 7 of event 12/),
  ]);
  feed[Symbol.dispose]();
  expect(lines).toHaveLength(52);
});

test("the last omitted lines are counted at the end", () => {
  const lines: string[] = [];
  const feed = new WatchFeed({
    write: (line) => void lines.push(line),
    style: () => ({ isColoured: false, columns: 80 }),
    clock: fakeClock(),
  });
  for (let time = 0; time < 51; time += 1) feed.show(event);

  feed[Symbol.dispose]();

  expect(lines.at(-1)).toBe("          … not shown, events: 1\n");
});

import { expect, test } from "vitest";
import type { Activity } from "../../../scripts/quickstart/activity.ts";
import { addTo, emptyTally, summaryLines } from "../../../scripts/quickstart/tally.ts";

const event = (sourceRef: string | null): Activity => ({
  kind: "event",
  eventId: "1",
  triggerRef: "a.t",
  sourceRef,
  payload: {},
});
const sensor = (state: "running" | "failed"): Activity => ({
  kind: "sensor",
  sensorRef: "a.s",
  state,
  reason: null,
});

test("the summary counts by sensor and by rule, and shows each sensor's last state", () => {
  const tally = emptyTally();
  const seen: Activity[] = [
    sensor("running"),
    event("a.s"),
    event("a.s"),
    event(null),
    { kind: "enforcement", enforcementId: "1", eventId: "1", ruleRef: "a.rule", config: {} },
    { kind: "message", routingKey: "event.created" },
    sensor("failed"),
  ];
  for (const activity of seen) addTo(tally, activity);

  expect(summaryLines(tally, 12.3, { isColoured: false, columns: 80 })).toEqual([
    "sensor          events  state",
    "a.s                  2  failed",
    "the platform         1",
    "",
    "rule           matches",
    "a.rule               1",
    "",
    "3 events, 1 enforcements, 1 messages in 12 s",
  ]);
});

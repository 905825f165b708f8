import { expect, test } from "vitest";
import { addTo, emptyTally, summaryLines } from "../../../scripts/demo/tally.ts";
import type { ActivityEntry } from "../../../src/telemetry/activity.ts";

const event = (sensorRef: string | null): ActivityEntry => ({
  kind: "event",
  eventId: "1",
  triggerRef: "a.t",
  sensorRef,
  payload: {},
});
const sensor = (status: "running" | "failed"): ActivityEntry => ({
  kind: "sensor",
  sensorRef: "a.s",
  status,
  reason: null,
});

test("the summary counts by sensor and by rule, and shows each sensor's last status", () => {
  const tally = emptyTally();
  const seen: ActivityEntry[] = [
    sensor("running"),
    event("a.s"),
    event("a.s"),
    event(null),
    { kind: "enforcement", enforcementId: "1", eventId: "1", ruleRef: "a.rule", config: {} },
    sensor("failed"),
  ];
  for (const activity of seen) addTo(tally, activity);

  expect(summaryLines(tally, 12.3, { isColoured: false, columns: 80 })).toEqual([
    "sensor          events  status",
    "a.s                  2  failed",
    "the platform         1",
    "",
    "rule           matches",
    "a.rule               1",
    "",
    "3 events, 1 enforcements in 12 s",
  ]);
});

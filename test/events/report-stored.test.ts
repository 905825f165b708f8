import { expect, test } from "vitest";
import { reportStored } from "../../src/events/report-stored.ts";
import { Activity } from "../../src/telemetry/activity.ts";
import { silentLogger, type Logger } from "../../src/telemetry/logger.ts";
import { eventEntry } from "../support/event-entry.ts";

const source = { sensorId: "3", sensorRef: "demo.sensor", sensorConfig: {}, term: null };
const enforcements = [{ id: "7", match: { ruleRef: "demo.rule", config: {} } }];

function told(isDebugEnabled: boolean) {
  const lines: unknown[] = [];
  const logger: Logger = {
    ...silentLogger,
    isDebugEnabled: () => isDebugEnabled,
    debug: (fields, message) => void lines.push([message, fields]),
  };
  const counts: unknown[] = [];
  const summary = { noteStored: (ref: string | null, matches: number) => void counts.push([ref, matches]) };
  return { reporters: { logger, summary, activity: new Activity() }, lines, counts };
}

test("a match is one debug line that names rule, event, enforcement and sensor", () => {
  const { reporters, lines, counts } = told(true);
  const entry = eventEntry("12", { source });

  reportStored(reporters, entry, enforcements);

  expect(lines).toEqual([
    [
      "rule demo.rule matched event 12: enforcement 7",
      {
        rule_ref: "demo.rule",
        event_id: "12",
        enforcement_id: "7",
        trigger_ref: "demo.tick",
        sensor_ref: "demo.sensor",
      },
    ],
  ]);
  expect(counts).toEqual([["demo.sensor", 1]]);
});

test("without debug lines none is made", () => {
  const { reporters, lines } = told(false);
  const entry = eventEntry("12", { source });
  const untouchable = { id: "7", match: { config: {} } } as unknown as (typeof enforcements)[number];
  Object.defineProperty(untouchable.match, "ruleRef", {
    get: () => expect.unreachable("the match was looked at for a line that nobody reads"),
  });

  reportStored(reporters, entry, [untouchable]);

  expect(lines).toEqual([]);
});

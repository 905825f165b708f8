import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { feedLine } from "../../../src/agent/watch/feed-line.ts";
import { isColourWanted } from "../../../src/agent/watch/feed-style.ts";
import type { ActivityEntry } from "../../../src/telemetry/activity.ts";

const at = new Date(2026, 0, 2, 12, 0, 1);
const plain = { isColoured: false, columns: 120 };

const event: ActivityEntry = {
  kind: "event",
  eventId: "12",
  triggerRef: "examples.log_line",
  sensorRef: "examples.log_follower",
  payload: { level: "error", code: 7, where: ["a"], query: "a=b" },
};

test.each<[ActivityEntry, string]>([
  [
    {
      kind: "sensor",
      sensorRef: "examples.disk",
      status: "backoff",
      reason: "exited with 1\n  no such file",
    },
    "12:00:01  sensor   examples.disk  backoff  exited with 1 no such file",
  ],
  [
    event,
    `12:00:01  event    examples.log_line  from examples.log_follower  level=error code=7 where=["a"] query="a=b"`,
  ],
  [
    {
      kind: "enforcement",
      enforcementId: "7",
      eventId: "12",
      ruleRef: "examples.errors",
      config: { text: "x" },
    },
    `12:00:01  match    examples.errors  enforcement 7 of event 12  x`,
  ],
])("an activity is shown in one line: %o", (activity, line) => {
  expect(feedLine(activity, at, plain)).toBe(line);
});

test("whatever a sensor says stays on one line of the terminal's width and cannot steer it", () => {
  const unit = fc.oneof(
    fc.string({ unit: "binary", maxLength: 3 }),
    fc.constantFrom("\n", "\u001b[2J", "\u009b2J", "\u2028", "\u202e"),
  );

  fc.assert(
    fc.property(fc.string({ unit }), fc.integer({ min: 1, max: 200 }), (text, columns) => {
      const told: ActivityEntry[] = [
        { ...event, payload: { text } },
        { kind: "sensor", sensorRef: "a.b", status: "failed", reason: text },
      ];
      for (const activity of told) {
        const line = feedLine(activity, at, { isColoured: false, columns });
        expect(line.length).toBeLessThanOrEqual(columns);
        expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u);
      }
    }),
  );
});

test("colour adds nothing but colour", () => {
  const coloured = feedLine(event, at, { ...plain, isColoured: true });

  expect(coloured).toContain("\u001b[");
  expect(stripVTControlCharacters(coloured)).toBe(feedLine(event, at, plain));
});

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: "1" }, true, false],
  [{ NO_COLOR: "" }, true, true],
  [{ TERM: "dumb" }, true, false],
  [{ FORCE_COLOR: "1" }, false, true],
  [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
])("with %o and a terminal being %s, colour is %s", (environment, isTerminal, isWanted) => {
  expect(isColourWanted(environment, isTerminal)).toBe(isWanted);
});

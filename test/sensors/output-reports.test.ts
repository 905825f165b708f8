/** Reports about a sensor's output in its log, however much output there is. */
import { expect, test } from "vitest";
import { OutputRemarks } from "../../src/sensors/output/output-remarks.ts";
import { RejectedLines } from "../../src/sensors/output/rejected-lines.ts";
import { RepeatedKeys } from "../../src/sensors/output/repeated-keys.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { recordingLogger } from "../support/recording-logger.ts";

function bench() {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const logged: string[] = [];
  const counted: number[] = [];
  const options = {
    clock,
    logger,
    log: { write: (entries: readonly string[]) => void logged.push(...entries) },
    metrics: { linesRejected: (_ref: string, count: number) => void counted.push(count) },
  };
  return { clock, lines, logged, counted, options };
}

test("a burst of rejected lines is logged by its first twenty and the number of the others", () => {
  const { logged, counted, lines, options } = bench();
  const rejected = new RejectedLines("test.one", options);

  for (let n = 1; n <= 1_000; n += 1) rejected.note({ reason: `reason ${n}`, excerpt: "x", lines: 1 });
  rejected.flush();
  rejected.flush();

  expect(counted).toEqual([1_000]);
  expect(logged.length).toBe(21);
  expect(logged[19]).toBe('not an event: reason 20: "x"');
  expect(logged[20]).toBe("not an event: 980 more lines");
  expect(lines.map(({ level, fields }) => [level, fields])).toEqual([
    ["warn", { lines: 1_000, reason: "reason 1", excerpt: "x" }],
  ]);
});

test("rejected lines are warned of once a minute, with all since the last time", async () => {
  const { clock, lines, options } = bench();
  const rejected = new RejectedLines("test.one", options);
  const reject = (): void => {
    rejected.note({ reason: "r", excerpt: "x", lines: 1 });
    rejected.flush();
  };

  for (let n = 0; n < 5; n += 1) reject();
  await clock.advance(60_000);
  reject();

  expect(lines.map(({ fields }) => fields)).toMatchObject([{ lines: 1 }, { lines: 5 }]);
});

test("a remark is reported once per topic, and an hour later with the number of repetitions", async () => {
  const { clock, lines, logged, options } = bench();
  const remarks = new OutputRemarks(options);

  for (let n = 0; n < 100; n += 1) {
    remarks.note([{ topic: "envelope", text: `is mixed ${n}` }], `{"n": ${n}}`);
    remarks.note([{ topic: "occurred_at", text: "has no time" }], "{}");
  }
  await clock.advance(3_600_000);
  remarks.note([{ topic: "envelope", text: "is mixed" }], "{}");

  expect(logged).toEqual([
    String.raw`accepted, but is mixed 0: "{\"n\": 0}"`,
    'accepted, but has no time: "{}"',
    'accepted, but is mixed (and so were 99 events before it): "{}"',
  ]);
  expect(lines.length).toBe(3);
});

test("keys that an object has twice are looked for in the first hundred events, and then in every hundredth", () => {
  const keys = new RepeatedKeys();
  const found: number[] = [];
  for (let n = 0; n < 350; n += 1) if (keys.remarksOn('{"a": {"b": 1, "b": 2}}').length > 0) found.push(n);

  expect(found).toEqual([...Array(100).keys(), 100, 200, 300]);
  expect(new RepeatedKeys().remarksOn('{"a": {"b": 1}, "b": 2}')).toEqual([]);
});

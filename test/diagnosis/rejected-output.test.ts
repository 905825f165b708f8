/** Rejected output is counted by its reason, from the lines that the agent really writes. */
import { expect, test } from "vitest";
import { rejectedOutput, rejectedText } from "../../src/diagnosis/rejected-output.ts";
import { RejectedLines } from "../../src/sensors/output/rejected-lines.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";

/** The log of a sensor after these refusals, one a minute. */
function logOf(refusals: readonly (readonly [reason: string, text: string])[]): readonly string[] {
  const lines: string[] = [];
  let minute = 0;
  const rejected = new RejectedLines("demo.sensor", {
    clock: systemClock,
    logger: silentLogger,
    metrics: { linesRejected: () => {} },
    log: {
      write: (entries) =>
        void lines.push(...entries.map((entry) => `2026-11-28T14:0${minute}:00.000Z ${entry}`)),
    },
  });
  for (const [reason, text] of refusals) {
    rejected.note({ reason, excerpt: text, lines: 1 });
    rejected.flush();
    minute += 1;
  }
  return lines;
}

test("events of a disabled trigger are counted, with the first and the last time", () => {
  const disabled = "trigger demo.tick is disabled";
  const log = logOf([
    [disabled, '{"n": "one: \\"two\\""}'],
    ["it is not JSON: unexpected hello", "hello"],
    [disabled, "{}"],
    [disabled, '{"n": 3}'],
  ]);

  const [newest, other] = rejectedOutput(["2026-11-28T14:00:00.000Z hello", ...log]);
  expect(newest).toMatchObject({ reason: disabled, lines: 3 });
  expect(newest === undefined ? "" : rejectedText(newest)).toBe(
    String.raw`3 lines from 2026-11-28T14:00:00.000Z to 2026-11-28T14:03:00.000Z, the last: trigger demo.tick is disabled: "{\"n\": 3}"`,
  );
  expect(other === undefined ? "" : rejectedText(other)).toBe('it is not JSON: unexpected hello: "hello"');
});

test("lines that are logged as a number only are counted with those before them", () => {
  const lines: string[] = [];
  const rejected = new RejectedLines("demo.sensor", {
    clock: systemClock,
    logger: silentLogger,
    metrics: { linesRejected: () => {} },
    log: {
      write: (entries) => void lines.push(...entries.map((entry) => `2026-11-28T14:00:00.000Z ${entry}`)),
    },
  });
  for (let line = 0; line < 70; line += 1) rejected.note({ reason: "it is empty", excerpt: "", lines: 1 });
  rejected.flush();

  expect(rejectedOutput(lines)).toMatchObject([
    { reason: "it is empty", lines: 70, newest: 'it is empty: ""' },
  ]);
});

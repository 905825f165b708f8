import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeReport, encodeReport, type LiveReport } from "../../src/live/live-report.ts";

function report(parts: Partial<LiveReport>): LiveReport {
  return {
    instance: "11111111-1111-4111-8111-111111111111",
    events: 0,
    enforcements: 0,
    sensors: new Map(),
    triggers: new Map(),
    rules: new Map(),
    entries: [],
    changed: [],
    history: [],
    ...parts,
  };
}

const ref = fc.string({ minLength: 1, maxLength: 60 });
const counts = fc
  .dictionary(ref, fc.nat(), { maxKeys: 60, noNullPrototype: true })
  .map((all) => new Map(Object.entries(all)));

// PostgreSQL refuses a notification of 8,000 bytes.
test("whatever a second was like, its report fits into a notification and can be read", () => {
  const entry = fc.record({
    id: fc.nat().map(String),
    atMs: fc.nat(),
    triggerRef: ref,
    sensorRef: fc.option(ref),
    excerpt: fc.string({ unit: "binary", maxLength: 140 }),
  });
  const reports = fc.record({
    events: fc.nat(),
    sensors: counts,
    triggers: counts,
    rules: counts,
    entries: fc.array(entry, { maxLength: 20 }),
    changed: fc.array(ref, { maxLength: 100 }),
  });

  fc.assert(
    fc.property(reports, (parts) => {
      const text = encodeReport(report(parts));
      expect(Buffer.byteLength(text)).toBeLessThan(8_000);
      expect(decodeReport(text)?.events).toBe(parts.events);
    }),
  );
});

test("a small report arrives as it was sent", () => {
  const sent = report({
    events: 7,
    enforcements: 2,
    sensors: new Map([["p.one", 5]]),
    triggers: new Map([["p.seen", 7]]),
    rules: new Map([["p.rule", 2]]),
    entries: [{ id: "9223372036854775807", atMs: 1, triggerRef: "p.seen", sensorRef: null, excerpt: "a: 1" }],
    changed: ["p.one"],
    history: [[1, 2]],
  });

  expect(decodeReport(encodeReport(sent))).toEqual(sent);
});

test("the busiest are kept when there are too many", () => {
  const rules = new Map(Array.from({ length: 500 }, (_, index) => [`p.rule_${index}`, index]));

  const kept = decodeReport(encodeReport(report({ rules })))?.rules;

  expect(kept?.get("p.rule_499")).toBe(499);
  expect(kept?.has("p.rule_0")).toBe(false);
});

test("what is no report is none", () => {
  for (const text of ["", "{", "[]", "{}", '{"i":1,"e":2,"n":3}', '{"i":"x","e":"2","n":3}'])
    expect(decodeReport(text)).toBeUndefined();
});

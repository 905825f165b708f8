import fc from "fast-check";
import { expect, test } from "vitest";
import { LabelPlaces, type LabelLimits } from "../../src/telemetry/label-places.ts";

const small: LabelLimits = { firstMax: 3, laterMax: 2, shareMin: 0.1, recentMax: 1_000, candidatesMax: 20 };

test("the first values have a series each, and what comes after is counted together", () => {
  const places = new LabelPlaces();

  for (let n = 0; n < 1_000; n += 1) expect(places.labelFor(`rule${n}`, 1)).toBe(`rule${n}`);
  for (let n = 1_000; n < 5_000; n += 1) expect(places.labelFor(`rule${n}`, 1)).toBe("other");
  expect(places.labelFor("rule0", 1)).toBe("rule0");
});

// Goal: a rule that is added after months and then matches most gets its own series.
test("a value that comes late and becomes one of the top gets a series, however much was counted before", () => {
  const places = new LabelPlaces();
  for (let n = 0; n < 1_000; n += 1) places.labelFor(`rule${n}`, 1_000_000);

  const labels = Array.from({ length: 5_000 }, (_, n) => {
    places.labelFor(`rule${n % 1_000}`, 1);
    return places.labelFor("late", 1);
  });

  expect(labels[0]).toBe("other");
  expect(labels.at(-1)).toBe("late");
  expect(labels.lastIndexOf("other")).toBeLessThan(labels.indexOf("late"));
});

test("rare values earn no place, however many they are and however long it takes", () => {
  const places = new LabelPlaces(small);
  for (const value of ["a", "b", "c"]) places.labelFor(value, 100);

  for (let n = 0; n < 10_000; n += 1) {
    places.labelFor("a", 1);
    expect(places.labelFor(`rare${n % 200}`, 1)).toBe("other");
  }
});

// Goal: counters are monotonic and their number bounded, whatever is counted in whatever order.
test("a value with a series keeps it, and there are never more than there are places", () => {
  const counted = fc.array(fc.tuple(fc.nat(40).map(String), fc.integer({ min: 1, max: 300 })), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(counted, (entries) => {
      const places = new LabelPlaces(small);
      const own = new Set<string>();
      for (const [value, count] of entries) {
        const label = places.labelFor(value, count);
        if (own.has(value)) expect(label).toBe(value);
        else if (label === value) own.add(value);
        else expect(label).toBe("other");
      }
      expect(own.size).toBeLessThanOrEqual(small.firstMax + small.laterMax);
    }),
  );
});

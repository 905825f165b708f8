import fc from "fast-check";
import { expect, test } from "vitest";
import { DueTimes, type DueThing } from "../../../src/sensors/timers/due-times.ts";

interface Thing extends DueThing {
  readonly name: number;
}

const name = fc.nat(9);
const time = fc.oneof({ weight: 9, arbitrary: fc.nat(20) }, fc.constant(Number.POSITIVE_INFINITY));
const step = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), name, atMs: time }),
  fc.record({ kind: fc.constant("remove" as const), name }),
  fc.record({ kind: fc.constant("take" as const), byMs: fc.nat(20) }),
);

// Goal: the heap gives out what a search through all would.
// Method: random steps on ten things, side by side with a map of their times.
test("things come out by their last time, each once, however they were moved", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const things = Array.from({ length: 10 }, (_, n): Thing => ({ name: n, dueIndex: -1, dueMs: 0 }));
      const due = new DueTimes<Thing>();
      const times = new Map<number, number>();
      for (const each of steps) {
        if (each.kind === "take") {
          const firstMs = Math.min(...times.values());
          const taken = due.take(each.byMs);
          if (firstMs > each.byMs) {
            expect(taken).toBeUndefined();
          } else {
            expect(times.get(taken?.name ?? -1)).toBe(firstMs);
            times.delete(taken?.name ?? -1);
          }
        } else {
          const thing = things[each.name];
          if (thing === undefined) continue;
          times.delete(each.name);
          if (each.kind === "remove") due.remove(thing);
          else {
            due.put(thing, each.atMs);
            if (each.atMs !== Number.POSITIVE_INFINITY) times.set(each.name, each.atMs);
          }
        }
        expect(due.nextMs()).toBe(Math.min(...times.values()));
      }
    }),
    { numRuns: 500 },
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchPlaces, type BatchPlace } from "../../src/events/batch-places.ts";

// Goal: neither kind of source can keep the other from being stored.
// Method: any sequence of batches that begin and end; whatever is under way, each kind has its places.
test("at least half of the places, and one, are for sources without trouble, and one for the others", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(40)), (countMax, steps) => {
      const places = new BatchPlaces(countMax);
      const taken: BatchPlace[] = [];
      for (const step of steps) {
        const kind = step % 2 === 0 ? "together" : "alone";
        const [left] = step < 25 ? [] : taken.splice(step % (taken.length + 1), 1);
        if (left !== undefined) places.leave(left);
        else if (places.isFree(kind)) taken.push(places.take(kind, step));

        const countOf = (of: BatchPlace["kind"]): number => taken.filter((place) => place.kind === of).length;
        const [together, alone] = [countOf("together"), countOf("alone")];
        const isFull = together + alone === countMax;
        expect(together + alone).toBeLessThanOrEqual(countMax);
        expect(places.isFree("together")).toBe(!isFull && together < Math.max(Math.ceil(countMax / 2), 1));
        expect(places.isFree("alone")).toBe(!isFull && alone < Math.max(Math.floor(countMax / 2), 1));
        expect(places.firstTakenAtMs).toBe(taken[0]?.takenAtMs);
      }
    }),
  );
});

test("when there is one place for both kinds they take turns", () => {
  const places = new BatchPlaces(1);
  const kinds = Array.from({ length: 4 }, (_, number) => {
    const [kind = "alone"] = places.free();
    places.leave(places.take(kind, number));
    return kind;
  });

  expect(kinds).toEqual(["together", "alone", "together", "alone"]);
});

test("a place is left once", () => {
  const places = new BatchPlaces(2);
  const first = places.take("together", 1);
  places.leave(first);
  places.take("together", 2);

  places.leave(first);

  expect(places.free()).toEqual(["alone"]);
});

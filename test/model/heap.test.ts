import fc from "fast-check";
import { expect, test } from "vitest";
import { Heap } from "../../src/model/heap.ts";

test("items leave a heap in order, also those that replaced its top", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.array(fc.integer()), (first, later) => {
      const heap = new Heap(first, (one, other) => one < other);
      const expected = first.toSorted((one, other) => one - other);
      for (const item of later) {
        heap.replaceTop(item);
        if (expected.length > 0) expected[0] = item;
        expected.sort((one, other) => one - other);
        expect(heap.top()).toBe(expected[0]);
      }

      const left: (number | undefined)[] = [];
      while (heap.top() !== undefined) {
        left.push(heap.top());
        heap.removeTop();
      }

      expect(left).toEqual(expected);
    }),
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { bodyToDrop, BodyRoom, type RoomBody } from "../../src/api/body-room.ts";

const bytesMax = 1_000;
const callers = ["greedy", "busy", "quiet", "late"] as const;

const ask = fc.record({
  caller: fc.constantFrom(...callers),
  /** Of those that the caller has open; beyond them, a new one. */
  index: fc.nat(6),
  bytes: fc.nat(400),
  isClosed: fc.boolean(),
});

// Goal: whatever is asked in whatever order, the room keeps what body-room.ts promises.
// Method: let fast-check open, grow and close bodies, keep a list of them beside the room, and compare after each step.
test("a full room drops bodies of the caller that holds most, and nothing else", () => {
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 80 }), (asks) => {
      const room = new BodyRoom(bytesMax);
      const open = new Map<RoomBody, string>();
      const dropped: RoomBody[] = [];
      const heldBy = (caller: string): number =>
        [...open].reduce((sum, [body, of]) => sum + (of === caller ? body.heldBytes : 0), 0);
      for (const { caller, index, bytes, isClosed } of asks) {
        let body = [...open].filter(([, of]) => of === caller)[index]?.[0];
        if (body === undefined) {
          const opened: RoomBody = room.open(caller, () => dropped.push(opened));
          open.set((body = opened), caller);
        }
        const asking = body;
        dropped.length = 0;
        const sharers = new Set(open.values()).size;
        const before = new Map([...open.keys()].map((each) => [each, each.heldBytes]));
        const heldBefore = new Map(callers.map((each) => [each as string, heldBy(each)]));
        heldBefore.set(caller, (heldBefore.get(caller) ?? 0) + bytes);
        before.set(asking, asking.heldBytes + bytes);
        const isFull = room.heldBytes + bytes > bytesMax;
        const isTooMuch = room.isTooMuch(asking, bytes);

        const isGrown = room.grow(asking, bytes);

        for (const each of dropped) {
          const of = open.get(each) ?? "";
          const held = heldBefore.get(of) ?? 0;
          expect(held).toBeGreaterThan(bytesMax / sharers);
          const siblings = [...open].filter(([, other]) => other === of).map(([other]) => other);
          const average =
            siblings.reduce((sum, other) => sum + (before.get(other) ?? 0), 0) / siblings.length;
          expect(before.get(each)).toBeGreaterThanOrEqual(average);
          heldBefore.set(of, held - (before.get(each) ?? 0));
          open.delete(each);
        }
        expect(dropped.length > 0).toBe(isFull);
        expect(isGrown).toBe(open.has(asking));
        if (isTooMuch) expect(dropped).toEqual([asking]);
        if (isClosed) {
          room.close(asking);
          open.delete(asking);
        }
        expect(room.heldBytes).toBeLessThanOrEqual(bytesMax);
        expect(room.heldBytes).toBe(callers.reduce((sum, each) => sum + heldBy(each), 0));
      }
    }),
  );
});

test("the asking body is dropped if none holds more", () => {
  const [long, short, others] = [{ heldBytes: 4 }, { heldBytes: 3 }, { heldBytes: 8 }];
  const own = { heldBytes: 7, bodies: [long, short] };
  const other = { heldBytes: 8, bodies: [others] };

  expect(bodyToDrop([own, other], { share: own, body: short, neededBytes: 1 })).toBe(short);
  expect(bodyToDrop([own, other], { share: own, body: short, neededBytes: 0 })).toBe(others);
});

test("one caller's many long bodies leave room for a short one of its own, and for any of another's", () => {
  const room = new BodyRoom(bytesMax);
  const dropped: string[] = [];
  for (let index = 0; index < 10; index += 1)
    room.grow(
      room.open("greedy", () => dropped.push(`long ${index}`)),
      100,
    );
  const short = room.open("greedy", () => dropped.push("short"));
  const other = room.open("quiet", () => dropped.push("other"));

  expect(room.grow(short, 10)).toBe(true);
  expect(room.grow(other, 400)).toBe(true);
  expect(dropped).toEqual(["long 0", "long 1", "long 2", "long 3", "long 4"]);
  expect(room.heldBytes).toBe(910);
});

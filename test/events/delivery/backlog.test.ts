import fc from "fast-check";
import { expect, test } from "vitest";
import { Backlog } from "../../../src/events/delivery/backlog.ts";
import { messageId, type MessageKind } from "../../../src/model/identifiers.ts";
import { outgoing } from "../../messaging/conformance.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";
const kinds = ["event", "enforcement"] as const;

interface Left {
  readonly kind: (typeof kinds)[number];
  readonly id: number;
}

const left: fc.Arbitrary<Left> = fc.record({ kind: fc.constantFrom(...kinds), id: fc.nat(1_000) });
const steps = fc.array(fc.oneof(fc.array(left, { maxLength: 5 }), fc.constant("a round begins" as const)), {
  maxLength: 20,
});

// Goal: reading begins at the lowest id that was left, and a round tells what the one before may have passed.
// Method: leave any ids in any order between any rounds, and compare with the lowest of a plain list.
test("knows the lowest id of each kind, of all that was left and of what was left since the last round", () => {
  fc.assert(
    fc.property(steps, (path) => {
      const backlog = new Backlog({ countMax: 1_000, bytesMax: 1_000 });
      const all: string[] = [];
      let recent: string[] = [];

      for (const step of path) {
        if (step === "a round begins") {
          expect(backlog.beginRound()).toEqual(lowestOf(recent));
          recent = [];
          continue;
        }
        const ids = step.map(({ kind, id }) => messageId(installationId, kind, String(id)));
        expect(backlog.leave(ids)).toEqual(lowestOf(ids));
        all.push(...ids);
        recent.push(...ids);
      }

      for (const kind of kinds) expect(backlog.from(kind)).toBe(lowestOf(all).get(kind));
    }),
  );
});

test("keeps messages since the last round while they are few, and none of them otherwise", () => {
  const backlog = new Backlog({ countMax: 3, bytesMax: 10 });
  const two = [outgoing({ body: "12" }), outgoing({ body: "34" })];
  const one = [outgoing({ body: "56" })];

  backlog.keep(two, [1, 2]);
  backlog.keep(one, [3]);
  expect(backlog.kept()).toEqual({ messages: [...two, ...one], acceptedAtMs: [1, 2, 3] });
  backlog.keep(one, [4]);
  expect(backlog.kept()).toBeUndefined();

  backlog.beginRound();
  expect(backlog.kept()).toEqual({ messages: [], acceptedAtMs: [] });
  backlog.keep([outgoing({ body: "12345678901" })], [5]);
  expect(backlog.kept()).toBeUndefined();
});

function lowestOf(ids: readonly string[]): ReadonlyMap<MessageKind, string> {
  const lowest = new Map<MessageKind, string>();
  for (const kind of kinds) {
    const begin = messageId(installationId, kind, "0").slice(0, 18);
    const [first] = ids.filter((id) => id.startsWith(begin)).toSorted();
    if (first !== undefined) lowest.set(kind, first);
  }
  return lowest;
}

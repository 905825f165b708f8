import fc from "fast-check";
import { expect, test } from "vitest";
import { ReportedIds } from "../../src/model/reported-ids.ts";

// Goal: whatever the order of commits, each row is reported once, and nothing is remembered in the end.
// Method: ids are committed in a random order and in random groups, as a reader sees them.
test("each row is reported once, in whatever order ids are committed", () => {
  const ids = Array.from({ length: 30 }, (_, index) => String(index + 8));
  const order = fc.shuffledSubarray(ids, { minLength: ids.length });
  const looks = fc.array(fc.nat(6), { minLength: 1, maxLength: 40 });

  fc.assert(
    fc.property(order, looks, (committing, counts) => {
      const reported = new ReportedIds("7", 10_000);
      const seen: string[] = [];
      const committed: string[] = [];
      let nowMs = 0;
      for (const count of [...counts, ids.length]) {
        committed.push(...committing.slice(committed.length, committed.length + count));
        const { passed, beyond } = reported;
        const fresh = committed.filter((id) => BigInt(id) > BigInt(passed) && !beyond.includes(id));
        seen.push(...fresh);
        reported.note(fresh, (nowMs += 100));
      }

      expect(seen.toSorted()).toEqual(ids.toSorted());
      expect(reported).toMatchObject({ passed: "37", beyond: [] });
    }),
  );
});

test("an id that is never committed is waited for only so long", () => {
  const reported = new ReportedIds("10", 10_000);

  reported.note(["12", "13", "15"], 1_000);
  reported.note([], 10_999);
  expect(reported).toMatchObject({ passed: "10", beyond: ["12", "13", "15"] });
  reported.note(["16"], 11_000);

  expect(reported).toMatchObject({ passed: "16", beyond: [] });
});

test("ids are exact beyond 2^53", () => {
  const reported = new ReportedIds("9007199254740993", 10_000);

  reported.note(["9007199254740994"], 0);

  expect(reported.passed).toBe("9007199254740994");
});

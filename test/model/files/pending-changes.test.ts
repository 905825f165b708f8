import fc from "fast-check";
import { expect, test } from "vitest";
import { eventTypeOf, type FileChange, type FileFacts } from "../../../src/model/files/file-change.ts";
import { PendingChanges } from "../../../src/model/files/pending-changes.ts";

const none = { from: null, fromFacts: null, foundBy: "watch" } as const;
const facts = (inode: number, size: number): FileFacts => ({
  inode,
  size,
  mtimeMs: size,
  ctimeMs: size,
  isDirectory: false,
});

// Goal: whatever is combined, a rule that applies the events to what it knew has what is there.
// Method: random creations, writes, deletions and moves among four paths, with reports in between.
test("events lead from what was reported to what is there, however changes are combined", () => {
  const paths = ["/a", "/b", "/c", "/d"];
  const step = fc.record({
    kind: fc.constantFrom("write", "delete", "move", "report"),
    path: fc.nat(3),
    other: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pending = new PendingChanges({ debounceMs: 0, settledMs: null });
      const actual = new Map<string, FileFacts>();
      const reported = new Map<string, FileFacts>();
      let next = 1;
      const report = (): void => {
        const taken = pending.take(Number.POSITIVE_INFINITY, 1_000);
        for (const { change } of taken) if (change.from !== null) reported.delete(change.from);
        for (const { change } of taken) {
          expect(eventTypeOf(change)).toBeDefined();
          if (change.after === null) reported.delete(change.path);
          else reported.set(change.path, change.after);
        }
        expect(Object.fromEntries(reported)).toEqual(Object.fromEntries(actual));
      };
      for (const { kind, path: index, other } of steps) {
        const path = paths[index] ?? "";
        const target = paths[other] ?? "";
        const before = actual.get(path) ?? null;
        let change: FileChange | undefined;
        if (kind === "report") report();
        else if (kind === "write") {
          next += 1;
          const after = facts(before?.inode ?? next, next);
          actual.set(path, after);
          change = { path, before, after, ...none };
        } else if (before !== null && kind === "delete") {
          actual.delete(path);
          change = { path, before, after: null, ...none };
        } else if (before !== null && path !== target) {
          change = {
            path: target,
            before: actual.get(target) ?? null,
            after: before,
            from: path,
            fromFacts: before,
            foundBy: "watch",
          };
          actual.delete(path);
          actual.set(target, before);
        }
        if (change !== undefined) pending.note(change, 0);
      }
      report();
    }),
    {
      numRuns: 10_000,
      examples: [
        // Of two files that were moved to one path, the first was not reported as gone.
        [
          [
            { kind: "write", path: 3, other: 0 },
            { kind: "write", path: 1, other: 0 },
            { kind: "report", path: 0, other: 0 },
            { kind: "move", path: 1, other: 0 },
            { kind: "move", path: 3, other: 0 },
          ],
        ],
        // Likewise, and the second one was there before.
        [
          [
            { kind: "write", path: 0, other: 0 },
            { kind: "write", path: 2, other: 0 },
            { kind: "report", path: 0, other: 0 },
            { kind: "move", path: 0, other: 3 },
            { kind: "move", path: 2, other: 0 },
            { kind: "move", path: 3, other: 0 },
          ],
        ],
      ],
    },
  );
});

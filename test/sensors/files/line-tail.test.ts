import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cutLines, linePieceBytesMax } from "../../../src/model/files/line-cut.ts";
import { systemFileSystem } from "../../../src/sensors/files/file-system.ts";
import { LineTail, type LineEvent } from "../../../src/sensors/files/line-tail.ts";
import { TailedFiles } from "../../../src/sensors/files/tailed-files.ts";
import { fileRig } from "./file-rig.ts";

function linesOf(rig: ReturnType<typeof fileRig>): readonly unknown[] {
  return rig.events.map(({ payload }) => payload["line"] ?? payload["event_type"]);
}

const soon = { timeout: 10_000, interval: 20 };

test("new lines are events with their offsets, from the end of what was there at the first start", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("a.log"), "old\n");
  rig.add({ tail: true });
  await rig.start();

  appendFileSync(rig.path("a.log"), "one\ntwo\r\nthr");
  await expect.poll(() => linesOf(rig), soon).toEqual(["one", "two"]);
  appendFileSync(rig.path("a.log"), "ee\n");
  writeFileSync(rig.path("b.log"), "first\n");
  await expect.poll(() => new Set(linesOf(rig)), soon).toEqual(new Set(["first", "one", "three", "two"]));

  expect(rig.events[1]?.payload).toEqual({
    type: "file_changed",
    event_type: "line",
    path: rig.path("a.log"),
    name: "a.log",
    line: "two",
    offset: 8,
  });
});

test.each(["folder", "file"])("no line is lost or doubled by rotation, on a watched %s", async (kind) => {
  await using rig = fileRig();
  writeFileSync(rig.path("app.log"), "");
  rig.add(kind === "folder" ? { tail: true, include: ["*.log"] } : { path: rig.path("app.log"), tail: true });
  await rig.start();
  const expected: string[] = [];
  const write = (line: string): void => {
    appendFileSync(rig.path("app.log"), `${line}\n`);
    expected.push(line);
  };

  for (let round = 0; round < 3; round += 1) {
    for (let n = 0; n < 50; n += 1) write(`${round}-${n}`);
    if (round === 1) await expect.poll(() => rig.events.length, soon).toBe(expected.length);
    renameSync(rig.path("app.log"), rig.path(`app.log.${round}`));
    write(`${round}-new`);
    await expect.poll(() => linesOf(rig), soon).toEqual(expected);
  }
  copyFileSync(rig.path("app.log"), rig.path("app.log.copy"));
  truncateSync(rig.path("app.log"));
  write("after truncation");
  await expect.poll(() => linesOf(rig), soon).toEqual(expected);
});

test("a file that is truncated and written anew between two reads is read from its beginning", async () => {
  await using rig = fileRig();
  const path = rig.path("app.log");
  writeFileSync(path, "old\n");
  const known = { last: () => undefined, of: () => undefined, follows: () => true };
  const pieces = new LineTail(systemFileSystem()).read(path, known, false);
  const next = async (): Promise<readonly unknown[] | undefined> =>
    (await pieces.next()).value?.events.map(({ payload }: LineEvent) => [payload["line"], payload["offset"]]);

  expect(await next()).toEqual([["old", 0]]);
  truncateSync(path);
  appendFileSync(path, "new and longer\n");
  expect(await next()).toEqual([["new and longer", 0]]);
  truncateSync(path);
  appendFileSync(path, "short\n");
  expect(await next()).toEqual([["short", 0]]);
  appendFileSync(path, "one more\n");
  expect(await next()).toEqual([["one more", 6]]);
  expect(await next()).toBeUndefined();
});

test("a file that is written anew before any of its lines was read is read from its beginning", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("a.log"), "one\n");
  writeFileSync(rig.path("b.log"), "");
  rig.add({ tail: true });
  await rig.start();

  writeFileSync(rig.path("a.log"), "another\nand more\n");
  writeFileSync(rig.path("b.log"), "first\n");

  await expect.poll(() => new Set(linesOf(rig)), soon).toEqual(new Set(["another", "and more", "first"]));
  expect(rig.events).toHaveLength(3);
});

test("a file that was written anew while nothing watched is read from its beginning, whatever its length", async () => {
  await using rig = fileRig();
  for (const name of ["shorter", "equal", "longer", "same"]) writeFileSync(rig.path(name), "before\n");
  rig.add({ tail: true });
  await rig.start();
  await rig.stop();

  writeFileSync(rig.path("shorter"), "less\n");
  writeFileSync(rig.path("equal"), "anew!!\n");
  writeFileSync(rig.path("longer"), "much more\n");
  await rig.start();

  await expect.poll(() => new Set(linesOf(rig)), soon).toEqual(new Set(["less", "anew!!", "much more"]));
  expect(rig.events).toHaveLength(3);
});

test("reading goes on where it stopped, also in a file that was rotated meanwhile; what is gone is a gap", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("app.log"), "0\n");
  rig.add({ tail: true, include: ["app.log"] });
  await rig.start();
  appendFileSync(rig.path("app.log"), "1\n");
  await expect.poll(() => linesOf(rig), soon).toEqual(["1"]);
  await rig.stop();

  appendFileSync(rig.path("app.log"), "2\n3 without an end");
  renameSync(rig.path("app.log"), rig.path("app.log.1"));
  writeFileSync(rig.path("app.log"), "4\n");
  await rig.start();
  await expect.poll(() => linesOf(rig), soon).toEqual(["1", "2", "3 without an end", "4"]);
  await rig.stop();

  writeFileSync(rig.path("next"), "5\n");
  rmSync(rig.path("app.log.1"));
  renameSync(rig.path("next"), rig.path("app.log"));
  await rig.start();
  await expect.poll(() => linesOf(rig), soon).toEqual(["1", "2", "3 without an end", "4", "gap", "5"]);
  expect(rig.events.at(-2)?.payload).toMatchObject({
    offset: 2,
    reason: expect.stringContaining("replaced"),
  });
  expect(rig.duplicates()).toBe(0);
});

test("a file that was moved while the rule ran is read on after a restart, under its new name", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("a.log"), "");
  rig.add({ tail: true });
  await rig.start();
  appendFileSync(rig.path("a.log"), "1\n2\n");
  await expect.poll(() => linesOf(rig), soon).toEqual(["1", "2"]);
  renameSync(rig.path("a.log"), rig.path("a.log.1"));
  writeFileSync(rig.path("a.log"), "new\n");
  await expect.poll(() => linesOf(rig), soon).toEqual(["1", "2", "new"]);
  await rig.stop();

  appendFileSync(rig.path("a.log.1"), "3\n");
  appendFileSync(rig.path("a.log"), "newer\n");
  await rig.start();

  await expect.poll(() => new Set(linesOf(rig)), soon).toEqual(new Set(["1", "2", "new", "3", "newer"]));
  expect(rig.events).toHaveLength(5);
});

test("lines whose record cannot be written are events once it can be", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("a.log"), "");
  const { id } = rig.add({ tail: true });
  await rig.start();
  const state = join(rig.stateDir, `rule_${id}.jsonl`);
  renameSync(state, `${state}.aside`);
  mkdirSync(state);

  appendFileSync(rig.path("a.log"), "1\n");
  const { exit } = await rig.ended();
  expect(exit).toMatchObject({ reason: expect.stringContaining("EISDIR") });
  expect(rig.events).toEqual([]);

  rmdirSync(state);
  renameSync(`${state}.aside`, state);
  await rig.start();
  await expect.poll(() => linesOf(rig), soon).toEqual(["1"]);
});

test("a file that grows as fast as it is read does not keep others waiting", async () => {
  await using rig = fileRig();
  const [busy, quiet] = [rig.path("busy"), rig.path("quiet")];
  writeFileSync(busy, "0\n");
  writeFileSync(quiet, "at last\n");
  const options = { fileSystem: systemFileSystem(), base: rig.folder, follows: () => true, warn: () => {} };
  const tailed = new TailedFiles(options);
  const facts = { size: 1, mtimeMs: 1, ctimeMs: 1, inode: 1, isDirectory: false };
  tailed.beginAtStart([
    [busy, facts],
    [quiet, facts],
  ]);
  const taken: string[] = [];

  for (let round = 0; round < 3; round += 1) {
    await tailed.read(0, async ({ path }) => {
      taken.push(path);
      if (path === busy) appendFileSync(busy, `${taken.length}\n`);
      return taken.length < 100;
    });
  }

  expect(taken).toContain(quiet);
  expect(taken.filter((path) => path === busy).length).toBeGreaterThan(2);
  expect(tailed.nextMs(1)).toBe(1);
});

/** What happens to files of a rule; `at` chooses the file. */
const fileSteps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("append" as const), at: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("rotate" as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("move" as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop or start" as const), at: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), at: fc.nat({ max: 150 }) }) },
  ),
  { minLength: 30, maxLength: 40 },
);

// Goal: however files of one rule are moved and rotated among each other, each line is one event.
// Method: random steps on a tree, with and without pauses, also while the rule does not run.
test("each line is one event, however its file is moved or rotated among those of the rule", async () => {
  await fc.assert(
    fc.asyncProperty(fileSteps, async (steps) => {
      await using rig = fileRig();
      rig.add({ tail: true, recursive: true });
      await rig.start();
      const files: string[] = [];
      const written: string[] = [];
      const append = (path: string): void => {
        const line = `${written.length}`;
        written.push(line);
        appendFileSync(path, `${line}\n`);
      };
      const move = (from: string, to: string): void => {
        renameSync(from, to);
        files[files.indexOf(from)] = to;
      };
      /** As logrotate does it: the oldest first, and a new file in the end. */
      const rotate = (path: string): void => {
        for (const n of [3, 2, 1]) {
          const [from, to] = [n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`];
          if (files.includes(from) && !files.includes(to)) move(from, to);
        }
        if (!files.includes(path)) files.push(path);
        append(path);
      };
      for (const [folder, name] of [
        ["a", "0"],
        ["b", "1"],
      ] as const) {
        mkdirSync(rig.path(folder));
        rotate(rig.path(folder, name));
      }
      let isRunning = true;
      for (const [n, { kind, at }] of steps.entries()) {
        const path = files[at % files.length] ?? "";
        if (kind === "append") append(path);
        else if (kind === "rotate") rotate(path);
        else if (kind === "move") move(path, rig.path(at % 2 === 0 ? "a" : "b", `moved-${n}`));
        else if (kind === "wait") await setTimeout(at);
        else {
          await (isRunning ? rig.stop() : rig.start());
          isRunning = !isRunning;
        }
      }
      if (!isRunning) await rig.start();

      await expect.poll(() => rig.events.length, soon).toBeGreaterThanOrEqual(written.length);
      await setTimeout(150);
      // A file that was moved to the other folder and replaced is a gap, even if it is found there later.
      const lines = linesOf(rig)
        .map(String)
        .filter((line) => line !== "gap");
      expect(lines.toSorted()).toEqual(written.toSorted());
    }),
    { numRuns: 6, endOnFailure: true },
  );
}, 60_000);

test("lines that were recorded but perhaps not stored are submitted again with the same keys", async () => {
  let isLost = true;
  let lost = 0;
  const rig = fileRig({
    submit: (submission) => {
      if (!isLost) return rig.store(submission);
      lost += 1;
      return true;
    },
  });
  await using _rig = rig;
  rig.add({ tail: true });
  await rig.start();
  writeFileSync(rig.path("a"), "1\n2\n");
  await expect.poll(() => lost, soon).toBe(2);
  await rig.stop();
  isLost = false;
  await rig.start();

  await expect.poll(() => linesOf(rig), soon).toEqual(["1", "2"]);
});

test("a link to a file elsewhere is not read", async () => {
  await using rig = fileRig();
  rig.add({ tail: true });
  await rig.start();

  symlinkSync("/etc/passwd", rig.path("innocent.log"));
  writeFileSync(rig.path("real.log"), "1\n");

  await expect.poll(() => linesOf(rig), soon).toEqual(["1"]);
});

test("long lines are cut into pieces between characters, and NUL is replaced", () => {
  const long = "ä".repeat(linePieceBytesMax);
  const bytes = new TextEncoder().encode(`a\0b\n${long}\nrest`);

  const { lines, bytes: taken } = cutLines(bytes, 100, false);

  expect(lines[0]).toEqual({ text: "a\ufffdb", offset: 100, continues: false });
  expect(lines.slice(1).map(({ continues }) => continues)).toEqual([true, false]);
  expect(
    lines
      .slice(1)
      .map(({ text }) => text)
      .join(""),
  ).toBe(long);
  expect(taken).toBe(bytes.length - 4);
  expect(cutLines(bytes.subarray(taken), 0, true).lines).toEqual([
    { text: "rest", offset: 0, continues: false },
  ]);
});

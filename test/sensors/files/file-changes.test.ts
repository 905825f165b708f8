import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fileRig } from "./file-rig.ts";

test("created, modified, moved and deleted files are events with what is known of them", async () => {
  await using rig = fileRig();
  rig.add();
  await rig.start();

  writeFileSync(rig.path("a.txt"), "one");
  await rig.sees(["created a.txt"]);
  appendFileSync(rig.path("a.txt"), " two");
  await rig.sees(["created a.txt", "modified a.txt"]);
  renameSync(rig.path("a.txt"), rig.path("b.txt"));
  await rig.sees(["created a.txt", "modified a.txt", "moved b.txt from a.txt"]);
  rmSync(rig.path("b.txt"));
  await rig.sees(["created a.txt", "modified a.txt", "moved b.txt from a.txt", "deleted b.txt"]);

  expect(rig.events[1]?.payload).toEqual({
    type: "file_changed",
    event_type: "modified",
    path: rig.path("a.txt"),
    name: "a.txt",
    size: 7,
    mtime: expect.stringMatching(/^\d{4}-.*Z$/),
    is_directory: false,
    found_by: "watch",
  });
  expect(rig.events[2]?.payload).toMatchObject({ old_path: rig.path("a.txt"), size: 7 });
  expect(rig.events.every(({ rule }) => rule === "rule_1")).toBe(true);
  expect(rig.found.rescan).toBe(0);
});

test("a file that is replaced by renaming another over it is one change, as editors and mv do", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("config"), "old");
  rig.add();
  await rig.start();

  writeFileSync(rig.path("config.tmp"), "new content");
  renameSync(rig.path("config.tmp"), rig.path("config"));
  await rig.sees(["modified config"]);

  // As vim does: the old one moves aside, the new one is written, the old one is deleted.
  renameSync(rig.path("config"), rig.path("config~"));
  writeFileSync(rig.path("config"), "newer content");
  rmSync(rig.path("config~"));
  await rig.sees(["modified config", "modified config"]);
});

test("a file that gives way to a folder is deleted, and one that takes a folder's place is created", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("name"), "1");
  rig.add({ recursive: true });
  await rig.start();

  rmSync(rig.path("name"));
  mkdirSync(rig.path("name"));
  await rig.sees(["deleted name"]);
  rmSync(rig.path("name"), { recursive: true });
  writeFileSync(rig.path("name"), "2");
  await rig.sees(["deleted name", "created name"]);
});

test("a move between watched folders is a move, one into the folder a creation, one out of it a deletion", async () => {
  await using rig = fileRig();
  mkdirSync(rig.path("in/a"), { recursive: true });
  mkdirSync(rig.path("in/b"));
  mkdirSync(rig.path("out"));
  writeFileSync(rig.path("in/a/file"), "1");
  writeFileSync(rig.path("out/new"), "2");
  rig.add({ path: rig.path("in"), recursive: true });
  await rig.start();

  renameSync(rig.path("in/a/file"), rig.path("in/b/file"));
  await rig.sees(["moved in/b/file from in/a/file"]);
  renameSync(rig.path("out/new"), rig.path("in/new"));
  renameSync(rig.path("in/b/file"), rig.path("out/file"));
  await rig.sees(["moved in/b/file from in/a/file", "created in/new", "deleted in/b/file"]);

  rig.events.length = 0;
  renameSync(rig.path("in/a"), rig.path("in/c"));
  writeFileSync(rig.path("in/c/late"), "3");
  await rig.sees(["created in/c/late"]);
  renameSync(rig.path("in/c"), rig.path("in/d"));
  await rig.sees(["created in/c/late", "moved in/d/late from in/c/late"]);
});

test("a rule that asks for no moves gets a deletion and a creation", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("a"), "1");
  rig.add({ event_types: ["created", "deleted"] });
  await rig.start();

  renameSync(rig.path("a"), rig.path("b"));

  await rig.sees(["deleted a", "created b from a"]);
});

test("patterns, ignore lists and the depth choose the files; rules on one folder share a watch", async () => {
  await using rig = fileRig();
  mkdirSync(rig.path("sub/node_modules"), { recursive: true });
  const flat = rig.add({ include: ["*.csv"] });
  const deep = rig.add({ recursive: true, include: ["*.csv"], ignore: ["node_modules/"] });
  const glob = rig.add({ path: rig.path("s*/*.{csv,txt}") });
  await rig.start();
  for (const name of ["a.csv", "a.txt", "sub/b.csv", "sub/b.txt", "sub/node_modules/c.csv"]) {
    writeFileSync(rig.path(name), name);
  }

  await rig.sees(["created a.csv"], flat);
  await rig.sees(["created a.csv", "created sub/b.csv"], deep);
  await rig.sees(["created sub/b.csv", "created sub/b.txt"], glob);
});

test("a folder that appears later, is deleted and made again is watched each time", async () => {
  await using rig = fileRig();
  rig.add({ path: rig.path("inbox"), recursive: true });
  await rig.start();

  mkdirSync(rig.path("inbox/sub"), { recursive: true });
  writeFileSync(rig.path("inbox/sub/1"), "1");
  await rig.sees(["created inbox/sub/1"]);
  rmSync(rig.path("inbox"), { recursive: true });
  await rig.sees(["created inbox/sub/1", "deleted inbox/sub/1"]);

  rig.events.length = 0;
  for (let round = 0; round < 3; round += 1) {
    mkdirSync(rig.path("inbox/sub"), { recursive: true });
    writeFileSync(rig.path("inbox/sub/2"), "2");
    await expect.poll(() => rig.seen().at(-1), { timeout: 20_000 }).toBe("created inbox/sub/2");
    writeFileSync(rig.path("inbox/sub/2"), "22");
    await expect.poll(() => rig.seen().at(-1), { timeout: 20_000 }).toBe("modified inbox/sub/2");
    rmSync(rig.path("inbox"), { recursive: true });
    await expect.poll(() => rig.seen().at(-1), { timeout: 20_000 }).toBe("deleted inbox/sub/2");
  }
  expect(rig.found.rescan).toBe(0);
});

test("one file is watched before it exists, and through a link to it", async () => {
  await using rig = fileRig();
  mkdirSync(rig.path("data"));
  rig.add({ path: rig.path("linked") });
  await rig.start();

  writeFileSync(rig.path("data/v1"), "1");
  symlinkSync("data/v1", rig.path("linked"));
  await rig.sees(["created linked"]);
  writeFileSync(rig.path("data/v2"), "two");
  symlinkSync("data/v2", rig.path("linked.new"));
  renameSync(rig.path("linked.new"), rig.path("linked"));
  await rig.sees(["created linked", "modified linked"]);

  expect(rig.events.at(-1)?.payload["size"]).toBe(3);
});

test("names with line breaks and names that are not UTF-8 are reported; loops of links do no harm", async () => {
  await using rig = fileRig();
  symlinkSync(".", rig.path("loop"));
  symlinkSync("self", rig.path("self"));
  rig.add({ recursive: true });
  await rig.start();

  writeFileSync(rig.path("two\nlines"), "1");
  const odd = Buffer.concat([Buffer.from(`${rig.folder}/caf`), Buffer.from([0xe9]), Buffer.from(".txt")]);
  writeFileSync(odd, "2");
  await rig.sees(["created two\nlines", "created caf\ufffd.txt"]);
  writeFileSync(odd, "22");
  await rig.sees(["created two\nlines", "created caf\ufffd.txt", "modified caf\ufffd.txt"]);
  rmSync(odd);
  await expect.poll(() => rig.seen().at(-1)).toBe("deleted caf\ufffd.txt");

  expect(rig.events.at(-1)?.payload["path_base64"]).toBe(odd.toString("base64"));
});

test("a file is reported once it is settled, and several changes within the debounce time are one", async () => {
  await using rig = fileRig();
  const settled = rig.add({ settled_seconds: 0.6, event_types: ["created", "modified"] });
  const debounced = rig.add({ debounce_seconds: 0.5, event_types: ["created", "modified"] });
  await rig.start();

  const endMs = Date.now() + 1_500;
  let written = 0;
  await expect
    .poll(
      () => {
        appendFileSync(rig.path("growing"), ".");
        written += 1;
        return Date.now();
      },
      { timeout: 5_000, interval: 50 },
    )
    .toBeGreaterThan(endMs);
  await rig.sees(["created growing"], settled);

  expect(rig.events.filter(({ rule }) => rule === `rule_${settled.id}`).at(-1)?.payload["size"]).toBe(
    written,
  );
  const ofDebounced = rig.seen(debounced).filter((each) => each.endsWith("growing"));
  expect(ofDebounced[0]).toBe("created growing");
  expect(ofDebounced.length).toBeLessThan(written / 2);
});

test("rules come, change and go without disturbing others, and one that is not understood is named", async () => {
  await using rig = fileRig();
  const first = rig.add();
  await rig.start();

  const second = rig.add({ include: ["*.log"] });
  rig.add({ path: "relative" });
  rig.add({ path: "/etc" });
  await expect
    .poll(() => rig.warnings.toSorted())
    .toEqual([
      'rule test.rule3 watches nothing: its trigger_params are not understood: path: must be absolute, like /var/inbox, not "relative"',
      `rule test.rule4 watches nothing: /etc is outside of the folders that sensor.file_paths allows on this worker: ${rig.folder}`,
    ]);
  writeFileSync(rig.path("a.txt"), "1");
  await rig.sees(["created a.txt"], first);
  const grows = (name: string): Promise<void> =>
    expect
      .poll(() => {
        appendFileSync(rig.path(name), "1");
        return rig.seen(second).some((each) => each.endsWith(name));
      })
      .toBe(true);
  await grows("b.log");

  rig.change(second, { include: ["*.txt"] });
  await grows("c.txt");
  rig.remove(first);
  await grows("d.txt");

  expect(rig.seen(second).filter((each) => each.endsWith("a.txt"))).toEqual([]);
  const created = rig.seen(first).filter((each) => each.startsWith("created"));
  expect(created.slice(0, 3)).toEqual(["created a.txt", "created b.log", "created c.txt"]);
});

test("a link in an allowed folder leads no rule out of it", async () => {
  await using rig = fileRig();
  symlinkSync("/etc", rig.path("escape"));
  symlinkSync("/etc/hostname", rig.path("file"));
  rig.add({ path: rig.path("escape"), report_existing: true });
  rig.add({ path: rig.path("file"), report_existing: true });
  await rig.start();

  await expect.poll(() => rig.warnings.length).toBe(2);

  expect(rig.warnings[0]).toContain("a link to /etc");
  expect(rig.events).toEqual([]);
});

/** What rotation tools, writers and crashes do to a log, while the sensor runs and while it does not. */
import { execFileSync } from "node:child_process";
import {
  appendFile,
  copyFile,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { expectLines, follow, followUntil, gapsOf, linesOf, logFile, waiting } from "./logwatch.ts";

const lost = /: any lines after byte (\d+) are lost$/;

/** Renames one after the other: `["a", "b"], ["c", "d"]` is what logrotate does for two old files. */
async function shift(path: string, ...moves: readonly (readonly [string, string])[]): Promise<void> {
  for (const [from, to] of moves) await rename(`${path}${from}`, `${path}${to}`);
}

async function copytruncate(path: string, copy: string): Promise<void> {
  await copyFile(path, copy);
  await truncate(path);
}

describe("NULs", () => {
  test("a hole before the lines of a writer that kept its offset is skipped, whatever its size", async () => {
    const path = await logFile("1\n2\n");
    await using sensor = follow(path);
    await expectLines(sensor, ["1", "2"]);
    await using writer = await open(path, "r+");

    await truncate(path);
    await writer.write("after truncation\nand another\n", 5_000_000);

    await expectLines(sensor, ["1", "2", "after truncation", "and another"]);
    expect(gapsOf(sensor)).toMatchObject([
      { path, file: path, offset: 4, reason: expect.stringMatching(lost) },
    ]);
  });

  test("a run of them ends the half line before it, and a single one in a line is shown", async () => {
    const path = await logFile("");
    await using sensor = follow(path);

    await appendFile(path, `half${"\0".repeat(4_096)}whole\nw\0i\0d\0e\0\n\0next\n`);

    await expectLines(sensor, ["half", "whole", "w\u{FFFD}i\u{FFFD}d\u{FFFD}e\u{FFFD}", "next"]);
  });

  test("room that the writer reserved is waited for", async () => {
    const path = await logFile(`1\n2${"\0".repeat(300_000)}`);
    await using writer = await open(path, "r+");
    await using sensor = follow(path);
    await expectLines(sensor, ["1"]);

    await writer.write("2\n3\n", 2);

    await expectLines(sensor, ["1", "2", "3"]);
  });

  test("more of them than a block has, written rather than left out, are skipped, too", async () => {
    const path = await logFile("");
    await using sensor = follow(path);

    await appendFile(path, Buffer.concat([Buffer.alloc(700_000), Buffer.from("1\n")]));
    await appendFile(path, Buffer.concat([Buffer.from("2"), Buffer.alloc(700_000), Buffer.from("3\n")]));

    await expectLines(sensor, ["1", "2", "3"]);
  });
});

test("a line above 64 KiB is reported in pieces that say so, and no character is cut in two", async () => {
  const line = `${"x".repeat(65_535)}${"äö".repeat(20_000)}`;
  const path = await logFile(`${line}\nnext\n`);
  await using sensor = follow(path);

  await expect.poll(() => linesOf(sensor).at(-1), waiting).toBe("next");

  const payloads = sensor.printed.flatMap(({ payload }) =>
    payload === undefined ? [] : [payload as JsonObject],
  );
  expect(payloads.map(({ continues }) => continues)).toEqual([true, true, undefined, undefined]);
  expect(linesOf(sensor).slice(0, -1).join("")).toBe(line);
});

describe("while it does not run", () => {
  test("a new file with the inode of the old one is read from its beginning", async () => {
    const path = await logFile("1\n2\n");
    const checkpoint = (await followUntil(path, ["1", "2"])) as JsonObject;
    await unlink(path);
    const lines = Array.from({ length: 12 }, (_, index) => `o${index}`);
    await writeFile(path, `${lines.join("\n")}\n`);

    // The filesystem may give another one; the agent's checkpoint is what counts.
    await using sensor = follow(path, { ...checkpoint, inode: (await stat(path)).ino });

    await expectLines(sensor, lines);
    expect(gapsOf(sensor)).toMatchObject([{ offset: 4 }]);
  });

  test("several rotations are followed, one file after the other", async () => {
    const path = await logFile("1\n");
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(path, "2\n");
    await shift(path, ["", ".1"]);
    await writeFile(path, "3\n");
    await shift(path, [".1", ".2"], ["", ".1"]);
    await writeFile(path, "4\n");

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["2", "3", "4"]);
    expect(gapsOf(sensor)).toEqual([]);
  });

  // What a tool makes of the log's name, from the oldest file to the newest but the log itself.
  test.each([
    ["logrotate", "app.log", ["app.log.2", "app.log.1"]],
    ["logrotate with dateext", "app.log", ["app.log-20260130", "app.log-20260131"]],
    ["logrotate with dateext and hours", "app.log", ["app.log-2026013109", "app.log-2026013110"]],
    ["logrotate with extension", "app.log", ["app.2.log", "app.1.log"]],
    ["logrotate with extension and dateext", "app.log", ["app-20260130.log", "app-20260131.log"]],
    ["Log4j, which counts up", "app.log", ["app.log.9", "app.log.10"]],
    ["savelog", "messages", ["messages.1", "messages.0"]],
    ["Python's handler", "app.log", ["app.log.2026-01-30", "app.log.2026-01-31_10-15"]],
    ["lumberjack", "app.log", ["app-2026-01-30T12-00-00.000.log", "app-2026-01-31T12-00-00.000.log"]],
    ["Docker", "3f-json.log", ["3f-json.log.2", "3f-json.log.1"]],
    ["svlogd", "current", ["@40000000697c0a1f1e8e8e3c.s", "@40000000697d0a1f0b0e8e3c.u"]],
  ])("the files that %s leaves are found", async (_, name, [older = "", newer = ""]) => {
    const path = await logFile("1\n", name);
    const folder = dirname(path);
    await writeFile(join(folder, "unrelated.log.1"), "no\n");
    await writeFile(join(folder, `${name}.bak`), "no\n");
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(path, "2\n");
    await rename(path, join(folder, older));
    await writeFile(join(folder, newer), "3\n");
    // Rotations are rarely closer together than the resolution of file times.
    await utimes(join(folder, newer), Date.now() / 1_000 + 1, Date.now() / 1_000 + 1);
    await writeFile(path, "4\n");

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["2", "3", "4"]);
    expect(gapsOf(sensor)).toEqual([]);
  });

  test("a log that is a link, as with rotatelogs and Kubernetes, leads on to the next file", async () => {
    const path = await logFile();
    const files = [1, 2, 3].map((number) => join(dirname(path), `access.176970${number}000`));
    await writeFile(files[0] ?? "", "1\n");
    await symlink(files[0] ?? "", path);
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(files[0] ?? "", "2\n");
    await writeFile(files[1] ?? "", "3\n");
    await writeFile(files[2] ?? "", "4\n");
    await unlink(path);
    await symlink(files[2] ?? "", path);

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["2", "3", "4"]);
  });

  test("rotated files in another folder are found there", async () => {
    const path = await logFile("1\n");
    const archive = join(dirname(path), "old");
    await mkdir(archive);
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(path, "2\n");
    await rename(path, join(archive, "app.log.1"));
    await writeFile(path, "3\n");

    await using sensor = follow(path, checkpoint, { archive });

    await expectLines(sensor, ["2", "3"]);
  });

  test("the rest of a truncated log is read from its copy, then the log from its beginning", async () => {
    const path = await logFile("1\n");
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(path, "2\n3\n");
    await copytruncate(path, `${path}.1`);
    await appendFile(path, "4\n");

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["2", "3", "4"]);
    expect(gapsOf(sensor)).toEqual([]);
  });

  test("a log that was truncated and has grown beyond where it was read is seen to be another one", async () => {
    const path = await logFile("1\n");
    const checkpoint = await followUntil(path, ["1"]);

    await writeFile(path, "first\nsecond\n");

    await using sensor = follow(path, checkpoint);
    await expectLines(sensor, ["first", "second"]);
    expect(gapsOf(sensor)).toHaveLength(1);
  });

  test.each([
    ["gzip", ".gz"],
    ["bzip2", ".bz2"],
    ["xz", ".xz"],
  ])("files that %s compressed are read, the one that was being read, too", async (compressor, suffix) => {
    const path = await logFile("1\n");
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(path, "2\n");
    await shift(path, ["", ".2"]);
    await writeFile(`${path}.1`, "3\n");
    await writeFile(path, "4\n");
    execFileSync("python3", ["-c", compress, compressor, suffix, `${path}.2`, `${path}.1`]);

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["2", "3", "4"]);
    expect(gapsOf(sensor)).toEqual([]);
  });

  test("files that cannot be decompressed are reported, and the following ones are read", async () => {
    const path = await logFile("1\n");
    const checkpoint = await followUntil(path, ["1"]);
    await shift(path, ["", ".4"]);
    await writeFile(`${path}.3.zst`, "(\u{B5}/\u{FD}");
    await writeFile(`${path}.2.gz`, "no gzip at all");
    await writeFile(`${path}.1.gz`, "2\n3\n");
    execFileSync("python3", ["-c", damage, `${path}.1.gz`]);
    await writeFile(path, "5\n");

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["2", "3", "5"]);
    expect(gapsOf(sensor).map(({ file }) => file)).toEqual([`${path}.3.zst`, `${path}.2.gz`, `${path}.1.gz`]);
    expect(gapsOf(sensor).map(({ reason }) => reason)).toEqual([
      `all lines of ${path}.3.zst are lost: .zst files cannot be decompressed here`,
      expect.stringMatching(/app\.log\.2\.gz after byte 0 are lost: it is damaged: Not a gzipped file/i),
      expect.stringMatching(/app\.log\.1\.gz after byte 4 are lost: it is damaged: /),
    ]);
    expect(sensor.stderr().split("\n")).toHaveLength(4);
  });

  test("deleted lines are reported as a gap, once even across restarts, and the rest is read", async () => {
    const path = await logFile("1\n");
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(path, "2\n");
    await unlink(path);
    await writeFile(`${path}.1`, "3\n");
    await writeFile(path, "");
    await utimes(`${path}.1`, Date.now() / 1_000 + 1, Date.now() / 1_000 + 1);

    await using first = follow(path, checkpoint);
    await expectLines(first, ["3"]);
    await first[Symbol.asyncDispose]();
    await using second = follow(path, checkpoint);
    await expectLines(second, ["3"]);

    expect(gapsOf(first)).toMatchObject([
      { path, file: path, offset: 2, reason: expect.stringMatching(lost) },
    ]);
    expect(first.stderr()).toMatch(
      /was rotated, and the rotated file no longer exists: any lines after byte 2 /,
    );
    const keys = [first, second].map(({ printed }) => printed.flatMap(({ dedup_key: key }) => key ?? []));
    expect(keys[1]).toEqual(keys[0]);
    expect(keys[0]).toHaveLength(1);
  });

  test("a log that is not there any more is waited for, after the rest of it was read", async () => {
    const path = await logFile("1\n");
    const checkpoint = await followUntil(path, ["1"]);
    await appendFile(path, "2\n");
    await rename(path, `${path}.1`);

    await using sensor = follow(path, checkpoint);
    await expectLines(sensor, ["2"]);
    await writeFile(path, "3\n");

    await expectLines(sensor, ["2", "3"]);
  });

  test("a log that nothing was reported of yet is read from where it was at the first start", async () => {
    const [path, missing] = [await logFile("1\n2\n"), await logFile()];
    const config = { initial_lines: 0 };
    const started = async (log: string): Promise<JsonObject> => {
      await using sensor = follow(log, undefined, config);
      await expect.poll(() => sensor.printed, waiting).toHaveLength(1);
      return sensor.printed[0] ?? {};
    };
    const [{ checkpoint = null }, { checkpoint: none = null }] = [
      await started(path),
      await started(missing),
    ];
    await appendFile(path, "3\n");
    await shift(path, ["", ".1"]);
    await writeFile(path, "4\n");
    await writeFile(`${missing}.1`, "5\n");
    await writeFile(missing, "6\n");

    await using sensor = follow(path, checkpoint, config);
    await using other = follow(missing, none, config);

    await expectLines(sensor, ["3", "4"]);
    await expectLines(other, ["5", "6"]);
    expect([gapsOf(sensor), gapsOf(other)]).toEqual([[], []]);
  });

  // A file system takes the time of the kernel's last tick.
  test("a file written just after the first start is read, although its time is that of a tick before", async () => {
    const path = await logFile();
    const program = [
      "import json, sys, time",
      "sys.path.insert(0, sys.argv[1])",
      "from follower import Follower",
      "time.time = lambda: 1_700_000_000.0",
      "class Reporter:",
      "    gap = None",
      "    def checkpoint(self, value): print(json.dumps(value))",
      "Follower({'path': sys.argv[2]}, None, Reporter(), None)",
    ].join("\n");
    const sensors = join(repositoryRoot, "packs/logwatch/sensors");
    const printed = execFileSync("python3", ["-Bc", program, sensors, path], { encoding: "utf8" });
    await writeFile(`${path}.1`, "1\n");
    await utimes(`${path}.1`, 1_699_999_999.995, 1_699_999_999.995);
    await writeFile(path, "2\n");

    await using sensor = follow(path, JSON.parse(printed) as JsonObject);

    await expectLines(sensor, ["1", "2"]);
  });

  test("a checkpoint of an earlier version is understood, and one of another log is not used", async () => {
    const path = await logFile("1\n2\n");
    const { ino: inode } = await stat(path);
    await using sensor = follow(path, { inode, offset: 2 });
    await expectLines(sensor, ["2"]);

    await using other = follow(path, { path: "/var/log/other", inode: 1, offset: 7 }, { initial_lines: 1 });

    await expectLines(other, ["2"]);
    expect(gapsOf(other)).toEqual([]);
  });
});

describe("while it runs", () => {
  test("the last lines before a truncation are read from the copy, in order", async () => {
    const path = await logFile("1\n");
    await using sensor = follow(path);
    await expectLines(sensor, ["1"]);

    await appendFile(path, "2\n3\n");
    await copytruncate(path, `${path}.1`);
    await appendFile(path, "4\n");

    await expectLines(sensor, ["1", "2", "3", "4"]);
    expect(gapsOf(sensor)).toEqual([]);
  });

  test("a copy that lacks the last lines that were read is no gap, and they are not reported again", async () => {
    const path = await logFile("1\n");
    await using sensor = follow(path);
    await copyFile(path, `${path}.1`);
    await appendFile(path, "2\n");
    await expectLines(sensor, ["1", "2"]);

    await truncate(path);
    await appendFile(path, "3\n");

    await expectLines(sensor, ["1", "2", "3"]);
    expect(gapsOf(sensor)).toEqual([]);
  });

  /** What each file of such a log begins with: programs that print their version and settings when they start. */
  const banner = `${"=".repeat(600)}\n`;

  test.each([
    ["the same banner", banner],
    ["a hole", "\0".repeat(600)],
  ])(
    "later, shorter files that begin with %s are not taken for a copy of the one that was read",
    async (_, head) => {
      const path = await logFile(`${head}a first line\nand a second\n`);
      const bannerLines = head === banner ? ["=".repeat(600)] : [];
      const checkpoint = await followUntil(path, [...bannerLines, "a first line", "and a second"]);
      await rename(path, `${path}.2`);
      execFileSync("gzip", [`${path}.2`]);
      await writeFile(`${path}.1`, `${head}3\n`);
      await writeFile(path, `${head}4\n`);

      await using sensor = follow(path, checkpoint);

      await expectLines(sensor, [...bannerLines, "3", ...bannerLines, "4"]);
      expect(gapsOf(sensor)).toEqual([]);
    },
  );

  test("a log that was emptied and begins with the same banner is read from its beginning", async () => {
    const path = await logFile(`${banner}a first line\nand a second\n`);
    const lines = [banner.trim(), "a first line", "and a second"];
    const checkpoint = await followUntil(path, lines);

    await writeFile(path, `${banner}3\n`);

    await using sensor = follow(path, checkpoint);
    await expectLines(sensor, [banner.trim(), "3"]);
    expect(gapsOf(sensor)).toHaveLength(1);
  });

  test("a file with a hole is not taken for a copy of a deleted one that had a hole, too", async () => {
    const path = await logFile(`${"\0".repeat(600)}a first line\nand a second\n`);
    const checkpoint = await followUntil(path, ["a first line", "and a second"]);
    await unlink(path);
    await writeFile(`${path}.1`, `${"\0".repeat(600)}3\n`);
    await writeFile(path, "4\n");

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["3", "4"]);
    expect(gapsOf(sensor)).toHaveLength(1);
  });

  test("of two files that may be the copy, the older one is", async () => {
    const path = await logFile(banner);
    await using sensor = follow(path);
    await copyFile(path, `${path}.1`);
    await appendFile(path, "a second\n");
    const checkpoint = await followUntil(path, [banner.trim(), "a second"]);
    await sensor[Symbol.asyncDispose]();
    await truncate(path);
    await appendFile(path, `${banner}3\n`);
    await shift(path, [".1", ".2"]);
    await copytruncate(path, `${path}.1`);
    await appendFile(path, "4\n");

    await using next = follow(path, checkpoint);

    await expectLines(next, [banner.trim(), "3", "4"]);
    expect(gapsOf(next)).toEqual([]);
  });

  describe("when only a beginning that several files share was read, the oldest of them is continued", () => {
    const beginning = banner.trim();

    /** The log and a later one were rotated, and the log was compressed. */
    async function rotateTwice(path: string): Promise<void> {
      await appendFile(path, "2\n");
      await rename(path, `${path}.2`);
      execFileSync("gzip", [`${path}.2`]);
      await writeFile(`${path}.1`, `${banner}3\n`);
      await writeFile(path, `${banner}4\n`);
    }

    test("after a start", async () => {
      const path = await logFile(banner);
      const checkpoint = await followUntil(path, [beginning]);
      await rotateTwice(path);

      await using sensor = follow(path, checkpoint);

      await expectLines(sensor, ["2", beginning, "3", beginning, "4"]);
      expect(gapsOf(sensor)).toEqual([]);
    });

    test("while it runs", async () => {
      const path = await logFile(banner);
      await using sensor = follow(path);
      await expectLines(sensor, [beginning]);

      sensor.kill("SIGSTOP");
      await rotateTwice(path);
      sensor.kill("SIGCONT");

      await expect.poll(() => linesOf(sensor).at(-1), waiting).toBe("4");
      expect(linesOf(sensor).filter((line) => line !== beginning)).toEqual(["2", "3", "4"]);
      expect(gapsOf(sensor)).toEqual([]);
    });

    test("when the log was emptied and begins like that again", async () => {
      const path = await logFile(banner);
      const checkpoint = await followUntil(path, [beginning]);
      await appendFile(path, "2\n");
      await copytruncate(path, `${path}.1`);
      await appendFile(path, `${banner}3\n`);

      await using sensor = follow(path, checkpoint);

      await expect.poll(() => linesOf(sensor).at(-1), waiting).toBe("3");
      expect(linesOf(sensor).filter((line) => line !== beginning)).toEqual(["2", "3"]);
      expect(gapsOf(sensor)).toEqual([]);
    });
  });

  test("a later log is not taken for a copy of a deleted one that began with the same banner", async () => {
    const path = await logFile(`${banner}a first line\nand a second\n`);
    const checkpoint = await followUntil(path, [banner.trim(), "a first line", "and a second"]);
    // First, so that it does not get the inode of the deleted one.
    await writeFile(`${path}.1`, `${banner}3\n`);
    await unlink(path);
    await writeFile(path, "4\n");

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, [banner.trim(), "3", "4"]);
    expect(gapsOf(sensor)).toHaveLength(1);
  });

  test("a later log is not taken for a deleted one that had the same beginning, when no more of that was read", async () => {
    const path = await logFile(banner);
    const checkpoint = await followUntil(path, [banner.trim()]);
    await writeFile(`${path}.1`, "2\n");
    // So that it has another inode than the deleted one.
    await writeFile(`${path}.new`, `${banner}3\n`);
    await rename(`${path}.new`, path);

    await using sensor = follow(path, checkpoint);

    await expectLines(sensor, ["2", banner.trim(), "3"]);
    expect(gapsOf(sensor)).toHaveLength(1);
  });

  test("a writer that still writes to the old file is read before one that writes to the new", async () => {
    const path = await logFile("1\n");
    await using sensor = follow(path);
    await expectLines(sensor, ["1"]);
    await rename(path, `${path}.1`);
    await writeFile(path, "");

    await appendFile(`${path}.1`, "2\n");
    await expectLines(sensor, ["1", "2"]);
    await appendFile(`${path}.1`, "3\n");
    await appendFile(path, "4\n");

    await expectLines(sensor, ["1", "2", "3", "4"]);
  });

  // Why there is delaycompress: of several processes that share a log, some reopen it later.
  test("late lines of another writer to the old file are reported, also after the next start", async () => {
    const path = await logFile("1\n");
    await using sensor = follow(path);
    await expectLines(sensor, ["1"]);
    await rename(path, `${path}.1`);
    await writeFile(path, "2\n");
    await expectLines(sensor, ["1", "2"]);

    await appendFile(`${path}.1`, "late\n");
    await expectLines(sensor, ["1", "2", "late"]);
    await sensor[Symbol.asyncDispose]();
    await appendFile(`${path}.1`, "later\n");
    await appendFile(path, "3\n");
    await using next = follow(path, sensor.printed.at(-1)?.["checkpoint"]);

    await expectLines(next, ["later", "3"]);
    expect(gapsOf(next)).toEqual([]);
  });

  test("the last line of a rotated file is reported although it has no newline", async () => {
    const path = await logFile("1\n");
    await using sensor = follow(path);
    await expectLines(sensor, ["1"]);

    await appendFile(path, "2");
    await rename(path, `${path}.1`);
    await writeFile(path, "3\n");

    await expectLines(sensor, ["1", "2", "3"]);
  });

  test("a file that replaces the log is read from its beginning, and a copy of the log is continued", async () => {
    const [path, lines] = [await logFile(), Array.from({ length: 100 }, (_, index) => `line ${index}`)];
    await writeFile(path, `${lines.join("\n")}\n`);
    await using sensor = follow(path, undefined, { initial_lines: 100 });
    await expectLines(sensor, lines);

    await writeFile(`${path}.tmp`, `${await readFile(path, "utf8")}more\n`);
    await rename(`${path}.tmp`, path);
    await expectLines(sensor, [...lines, "more"]);
    await writeFile(`${path}.tmp`, "new\n");
    await rename(`${path}.tmp`, path);

    await expectLines(sensor, [...lines, "more", "new"]);
  });

  test("a log that is deleted and comes again is read on", async () => {
    const path = await logFile("1\n");
    await using sensor = follow(path);
    await using writer = await open(path, "a");
    await expectLines(sensor, ["1"]);

    await rm(path);
    await writer.write("2\n");
    await expectLines(sensor, ["1", "2"]);
    await writeFile(path, "3\n");

    await expectLines(sensor, ["1", "2", "3"]);
    expect(gapsOf(sensor)).toEqual([]);
  });

  test("a log that may not be read ends it with one clear line", async () => {
    const path = await logFile();
    await mkdir(path);
    await using sensor = follow(path);

    expect(await sensor.ended).toBe(1);

    expect(sensor.stderr()).toBe(`could not follow ${path}: [Errno 21] Is a directory: '${path}'\n`);
  });
});

/** Puts compressed files in the place of others, with their times, as logrotate does. */
const compress = `
import importlib, os, sys
for path in sys.argv[3:]:
    module = {"gzip": "gzip", "bzip2": "bz2", "xz": "lzma"}[sys.argv[1]]
    with open(path, "rb") as source, importlib.import_module(module).open(path + sys.argv[2], "wb") as target:
        target.write(source.read())
    status = os.stat(path)
    os.utime(path + sys.argv[2], (int(status.st_atime), int(status.st_mtime)))
    os.unlink(path)
`;

/** Makes a gzip file without its end out of a file. */
const damage = `
import gzip, sys
with open(sys.argv[1], "rb") as file:
    text = file.read()
with open(sys.argv[1], "wb") as file:
    file.write(gzip.compress(text)[:-6])
`;

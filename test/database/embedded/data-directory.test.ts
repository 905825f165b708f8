import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lockDataDirectory } from "../../../src/database/embedded/data-directory.ts";
import { lockOpenFile } from "../../../src/files/kernel-lock.ts";
import { processStat } from "../../../src/files/process-stat.ts";

const elsewhere = { pid: 1, startedAt: "12", place: "another boot pid:[1]", token: "another" };

test("the lock has one holder, and is free once disposed", async () => {
  const directory = freshDirectory();
  const lock = await lockDataDirectory(directory);
  await expect(lockDataDirectory(directory)).rejects.toMatchObject({ code: "DATA_DIRECTORY_IN_USE" });

  lock[Symbol.dispose]();

  (await lockDataDirectory(directory))[Symbol.dispose]();
  expect(readdirSync(directory)).toEqual([]);
});

test("of many processes that find a dead holder's file at once, one gets the lock", async () => {
  const directory = freshDirectory();
  writeFileSync(join(directory, "lock"), "{");
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lockDataDirectory(directory)));
  const locks = outcomes.filter((outcome) => outcome.status === "fulfilled");

  expect(locks).toHaveLength(1);
  locks[0]?.value[Symbol.dispose]();
});

// Goal: of several processes that find a dead holder's file, none removes the file of one that was faster.
// Method: the test is one of them, and has locked what it is about to remove.
test("a dead holder's file that another process is removing is left to that process", async () => {
  const directory = freshDirectory();
  const file = join(directory, "lock");
  writeFileSync(file, "{");
  const descriptor = openSync(file, "r+");
  onTestFinished(() => closeSync(descriptor));
  expect(lockOpenFile(descriptor)).toBe(true);

  await expect(lockDataDirectory(directory)).rejects.toMatchObject({
    code: "DATA_DIRECTORY_IN_USE",
    reason: `another process has locked ${file}`,
  });
  expect(readdirSync(directory)).toEqual(["lock"]);

  const waiting = lockDataDirectory(directory);
  rmSync(file);
  (await waiting)[Symbol.dispose]();
});

test("a process of the same id that started later is not the holder", async () => {
  const directory = freshDirectory();
  const lock = await lockDataDirectory(directory);
  const own = readFileSync(join(directory, "lock"), "utf8");
  lock[Symbol.dispose]();
  writeFileSync(join(directory, "lock"), own.replace(/"startedAt":"/, "$&1"));

  (await lockDataDirectory(directory))[Symbol.dispose]();
});

test("a holder in another container keeps the lock while it renews it", async () => {
  const directory = freshDirectory();
  const file = join(directory, "lock");
  writeFileSync(file, JSON.stringify(elsewhere));
  const renewal = setInterval(() => utimesSync(file, new Date(), new Date()), 100);
  onTestFinished(() => clearInterval(renewal));

  await expect(lockDataDirectory(directory)).rejects.toMatchObject({ code: "DATA_DIRECTORY_IN_USE" });
});

test("a holder in a container that no longer exists loses the lock", async () => {
  const directory = freshDirectory();
  writeFileSync(join(directory, "lock"), JSON.stringify(elsewhere));

  (await lockDataDirectory(directory))[Symbol.dispose]();
});

// Goal: an agent that was killed where nobody reaps it, as under a container's first process, does not block its successor.
// Method: a shell that starts a process and then becomes a program that waits for no child.
test("a zombie holds no lock", async () => {
  const directory = freshDirectory();
  const lock = await lockDataDirectory(directory);
  const own = readFileSync(join(directory, "lock"), "utf8");
  lock[Symbol.dispose]();
  const parent = spawn("/bin/sh", ["-c", "sleep 0.1 & echo $!; exec sleep 300"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void parent.kill("SIGKILL"));
  const pid = Number(String((await once(parent.stdout, "data"))[0]));
  await expect.poll(() => processStat(pid)?.isAlive).toBe(false);
  const startedAt = processStat(pid)?.startTime;
  writeFileSync(join(directory, "lock"), JSON.stringify({ ...JSON.parse(own), pid, startedAt }));

  (await lockDataDirectory(directory))[Symbol.dispose]();
});

// Goal: a holder in another container that computes for longer than renewals may be late keeps its database for itself.
// Method: a process that takes the lock and never turns to its timers again; its file says that it runs elsewhere.
test("a holder in another container that is too busy to renew the lock keeps it until its end", async () => {
  const directory = freshDirectory();
  const file = join(directory, "lock");
  const program = join(import.meta.dirname, "../fixtures/lock-holder.ts");
  const holder = spawn(process.execPath, ["--no-warnings", program, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const { place } = elsewhere;
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), place }));

  await expect(lockDataDirectory(directory)).rejects.toMatchObject({ code: "DATA_DIRECTORY_IN_USE" });

  expect(readdirSync(directory)).toEqual(["lock"]);
  holder.kill("SIGKILL");
  await once(holder, "close");
  (await lockDataDirectory(directory))[Symbol.dispose]();
});

test("a start on a full disk leaves no file behind", async () => {
  const directory = freshDirectory();
  const limits = "ulimit -f 0; trap '' XFSZ; exec \"$@\"";
  const program = join(import.meta.dirname, "../fixtures/lock-holder.ts");
  const start = spawn("/bin/sh", ["-c", limits, "sh", process.execPath, program, directory], {
    stdio: "ignore",
  });

  await once(start, "close");

  expect(readdirSync(directory)).toEqual([]);
});

function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "attune-lock-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

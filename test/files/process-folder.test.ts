import { execFileSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { makeProcessFolder, removeAbandonedFolders } from "../../src/files/process-folder.ts";
import { ownMark } from "../../src/files/process-mark.ts";

let temporaryDir: string;

beforeEach(() => {
  temporaryDir = mkdtempSync(join(tmpdir(), "folders-"));
  onTestFinished(() => rmSync(temporaryDir, { recursive: true }));
});

/** A process that made a folder with a file in it, and ended without removing it. */
function folderOfEndedProcess(prefix: string): string {
  const module = join(import.meta.dirname, "../../src/files/process-folder.ts");
  const program = `
    import { makeProcessFolder } from ${JSON.stringify(module)};
    process.stdout.write(await makeProcessFolder(${JSON.stringify(temporaryDir)}, ${JSON.stringify(prefix)}));
    process.kill(process.pid, "SIGKILL");`;
  try {
    execFileSync(process.execPath, ["--input-type=module", "--eval", program], { stdio: "pipe" });
  } catch {
    // It was killed.
  }
  const [name = ""] = readdirSync(temporaryDir).filter((each) => each.startsWith(prefix));
  const folder = join(temporaryDir, name);
  writeFileSync(join(folder, "token.json"), "secret");
  return folder;
}

function folderWith(name: string, mark?: unknown): string {
  const folder = join(temporaryDir, name);
  mkdirSync(folder);
  if (mark !== undefined) writeFileSync(join(folder, ".process"), JSON.stringify(mark));
  return folder;
}

test("a killed process's folders go, and a running one's stay", async () => {
  const abandoned = folderOfEndedProcess("attune-token-");
  const own = await makeProcessFolder(temporaryDir, "attune-token-");
  expect(statSync(own).mode & 0o077).toBe(0);

  expect(await removeAbandonedFolders(temporaryDir, ["attune-token-"])).toBe(1);

  expect([existsSync(abandoned), existsSync(own)]).toEqual([false, true]);
});

test("everything else in the directory stays", async () => {
  const ended = { ...ownMark(), startedAt: "1" };
  const kept = [
    folderOfEndedProcess("other-"),
    folderWith("attune-token-unmarked"),
    folderWith("attune-token-damaged", { place: ended.place }),
    folderWith("attune-token-null", null),
    folderWith("attune-token-elsewhere", { ...ended, place: "another boot pid:[1]" }),
  ];
  writeFileSync(join(temporaryDir, "attune-token-file"), "");
  const reused = folderWith("attune-token-reused", ended);

  expect(await removeAbandonedFolders(temporaryDir, ["attune-token-"])).toBe(1);

  expect(existsSync(reused)).toBe(false);
  expect(kept.filter((folder) => !existsSync(folder))).toEqual([]);
  expect(existsSync(join(temporaryDir, "attune-token-file"))).toBe(true);
});

test("a temporary directory that is missing has none", async () => {
  expect(await removeAbandonedFolders(join(temporaryDir, "missing"), ["attune-token-"])).toBe(0);
});

test.runIf(process.getuid?.() === 0)("another user's folder stays, whatever it says", async () => {
  const folder = folderWith("attune-token-foreign", { ...ownMark(), startedAt: "1" });
  chownSync(folder, 65_534, 65_534);

  expect(await removeAbandonedFolders(temporaryDir, ["attune-token-"])).toBe(0);

  expect(existsSync(folder)).toBe(true);
});

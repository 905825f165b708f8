/**
 * Tries whether files can be written into a folder, by writing one and removing it. Permissions alone do not show that:
 * root has them on a read-only volume, and everybody has them on a full one.
 */
import { randomUUID } from "node:crypto";
import { lstat, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, hasCode, messageOf } from "../errors/caught.ts";

export interface WriteRefusal {
  /** `/data is not writable: permission is denied (EACCES)` */
  readonly problem: string;
  /** The beginning of a sentence: what to do there. */
  readonly remedy: string;
  /** The system's name for it; "" if it has none. */
  readonly code: string;
}

/** Nothing is left there, and no folder is created: of one that does not exist, the nearest ancestor is tried. */
export async function tryToWrite(folder: string): Promise<WriteRefusal | undefined> {
  let place = folder;
  try {
    place = await nearestExisting(folder);
    await writeBriefly(place);
    return undefined;
  } catch (error) {
    const code = codeOf(error) ?? "";
    const message = messageOf(error);
    const isLink = await lstat(place).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
    const { meaning, remedy } =
      code === "ENOENT" && isLink
        ? { meaning: "it is a dangling link", remedy: "correct the link" }
        : (refusals.get(code) ?? { meaning: message, remedy: "check that folder" });
    const attempt =
      place === folder ? `${folder} is not writable` : `${folder} cannot be created in ${place}`;
    return { problem: `${attempt}: ${meaning}${meaning === message ? "" : ` (${code})`}`, remedy, code };
  }
}

/** The path itself, or its nearest existing ancestor. */
async function nearestExisting(path: string): Promise<string> {
  try {
    await lstat(path); // A dangling link counts as existing: no folder can be created in its place.
    return path;
  } catch (error) {
    if (!hasCode(error, "ENOENT") || dirname(path) === path) throw error;
    return nearestExisting(dirname(path));
  }
}

/** Too large to be stored inside an inode, small enough not to matter. */
const trialBytes = 65_536;

async function writeBriefly(folder: string): Promise<void> {
  const path = join(folder, `.attune-trial-${randomUUID()}`);
  try {
    // Flushed, because a quota may be enforced only then.
    await writeFile(path, Buffer.alloc(trialBytes, 1), { flag: "wx", mode: 0o600, flush: true });
  } finally {
    await rm(path, { force: true });
  }
}

const denied = "give the agent's user write permission there";

const refusals: ReadonlyMap<string, { readonly meaning: string; readonly remedy: string }> = new Map([
  ["ENOSPC", { meaning: "no space is left on that volume", remedy: "free space there" }],
  ["EDQUOT", { meaning: "the quota is used up", remedy: "free space there, or raise the quota" }],
  ["EROFS", { meaning: "that volume is read-only", remedy: "remount it read-write" }],
  ["EACCES", { meaning: "permission is denied", remedy: denied }],
  ["EPERM", { meaning: "permission is denied", remedy: denied }],
  ["ENOTDIR", { meaning: "it, or part of its path, is a file", remedy: "move that file away" }],
  ["ENOENT", { meaning: "that file system takes no new files", remedy: "mount a volume there" }],
  ["EIO", { meaning: "the device failed", remedy: "check the disk and the system log" }],
]);

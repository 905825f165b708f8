/**
 * Checks that the agent can write to its configured folders. Permissions alone do not show that: root has them
 * on a read-only volume, and everybody has them on a full one. So a file is written and removed.
 */
import { randomUUID } from "node:crypto";
import { lstat, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Config } from "../../config/schema.ts";
import { codeOf, hasCode, messageOf } from "../../errors/caught.ts";
import { good, wrong, type Finding } from "../finding.ts";

interface WrittenFolder {
  readonly subject: string;
  readonly field: "data_dir" | "logs_dir";
  readonly purpose: string;
  /** The effect if it cannot be written. */
  readonly consequence: string;
}

const data: WrittenFolder = {
  subject: "data",
  field: "data_dir",
  purpose: "the embedded database is in",
  consequence: "the agent cannot start without it",
};
const logs: WrittenFolder = {
  subject: "logs",
  field: "logs_dir",
  purpose: "are written to",
  consequence: "sensors keep running, but their logs are lost",
};

export async function checkFolders(config: Config): Promise<readonly Finding[]> {
  const written = [
    ...(config.database.url === undefined ? [data] : []),
    ...(config.sensor.enabled && config.sensor.log_to !== "stderr" ? [logs] : []),
  ];
  return Promise.all(written.map((folder) => folderFinding(folder, config[folder.field])));
}

async function folderFinding(folder: WrittenFolder, path: string): Promise<Finding> {
  const { subject, field, purpose, consequence } = folder;
  let place = path;
  try {
    place = await nearestExisting(path);
    await writeBriefly(place);
    return good(subject, `${purpose} ${path}`);
  } catch (error) {
    const code = codeOf(error) ?? "";
    const message = messageOf(error);
    const { meaning, remedy } = refusals.get(code) ?? { meaning: message, remedy: "check that folder" };
    const attempt = place === path ? `${path} is not writable` : `${path} cannot be created in ${place}`;
    return wrong(subject, `${attempt}: ${meaning}${meaning === message ? "" : ` (${code})`}`, {
      remedy: `${remedy}, or set ${field} to another folder; ${consequence}`,
      facts: { code },
    });
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
  const path = join(folder, `.attune-doctor-${randomUUID()}`);
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
  ["ENOENT", { meaning: "it is a dangling link", remedy: "correct the link" }],
  ["EIO", { meaning: "the device failed", remedy: "check the disk and the system log" }],
]);

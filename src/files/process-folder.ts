/**
 * Temporary folders that belong to a process. The process removes its own when it no longer needs them. If it is killed first,
 * they stay, and may hold secrets; the next agent with the same temporary directory removes them.
 *
 * Which process a folder belongs to is in a file beside its contents. A folder goes only if that process has certainly ended:
 * without the file, or with the mark of another container or boot, it stays.
 */
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fateOf, ownMark, type ProcessMark } from "./process-mark.ts";

const markFile = ".process";

/**
 * Creates a folder that only this user can open, with a name of its own.
 *
 * @throws the system's error, and leaves nothing behind
 */
export async function makeProcessFolder(temporaryDir: string, prefix: string): Promise<string> {
  const folder = await mkdtemp(join(temporaryDir, prefix));
  try {
    await writeFile(join(folder, markFile), JSON.stringify(ownMark()), { mode: 0o600 });
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Removes the folders of these prefixes whose processes have ended, as far as that is possible.
 *
 * @returns how many it removed
 */
export async function removeAbandonedFolders(
  temporaryDir: string,
  prefixes: readonly string[],
): Promise<number> {
  const names = await readdir(temporaryDir).catch(() => []);
  let removed = 0;
  for (const name of names.filter((each) => prefixes.some((prefix) => each.startsWith(prefix)))) {
    const folder = join(temporaryDir, name);
    if (!(await isOwn(folder)) || (await fateOfOwner(folder)) !== "ended") continue;
    try {
      await rm(folder, { recursive: true, force: true });
      removed += 1;
    } catch {
      // The next agent tries again.
    }
  }
  return removed;
}

/** Others may create folders of any name here, and write anything into them. */
async function isOwn(folder: string): Promise<boolean> {
  const stat = await lstat(folder).catch(() => undefined);
  return stat?.isDirectory() === true && stat.uid === process.getuid?.();
}

async function fateOfOwner(folder: string): Promise<ReturnType<typeof fateOf> | undefined> {
  try {
    const mark: Partial<ProcessMark> = JSON.parse(await readFile(join(folder, markFile), "utf8"));
    const { pid, startedAt, place } = mark;
    if (pid === undefined || startedAt === undefined || place === undefined) return undefined;
    return fateOf({ pid, startedAt, place });
  } catch {
    return undefined;
  }
}

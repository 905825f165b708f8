/**
 * What a build leaves behind is for everybody, whatever the builder's umask: an image takes over the modes of
 * the files that it is made from, and runs as another user.
 */
import { chmod, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../src/files/make-directory.ts";

/**
 * With the missing ones above it, or nobody else would reach it. One that is there already keeps its mode: it
 * may be anybody's.
 */
export async function makeFolderForEverybody(path: string): Promise<void> {
  await makeDirectory(path, 0o755);
}

export async function writeForEverybody(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await writeFile(path, content);
  // After the fact: the umask has no say then, nor has the mode of a file that an earlier build left.
  await chmod(path, mode);
}

/**
 * Moves the files of a folder into another one of the same file system. Each takes an earlier one's place
 * at once: nobody sees half a file, and a program that runs just now goes on with the old one.
 */
export async function moveFiles(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) await rename(join(from, name), join(to, name));
}

/**
 * Makes the build's results readable for everybody, regardless of the umask, because an image keeps the modes of the
 * files it is built from and runs as another user.
 */
import { chmod, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../src/files/make-directory.ts";

/**
 * Also creates missing parents, or others could not reach the folder. Existing folders keep their modes, since they
 * may belong to somebody else.
 */
export async function makeFolderForEverybody(path: string): Promise<void> {
  await makeDirectory(path, 0o755);
}

export async function writeForEverybody(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await writeFile(path, content);
  // Set the mode afterwards, so that neither the umask nor the mode of an existing file matters.
  await chmod(path, mode);
}

/**
 * Moves the files of a folder to another one on the same file system. Each replaces an earlier file atomically, so
 * nobody sees half a file, and a running program continues with the old one.
 */
export async function moveFiles(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) await rename(join(from, name), join(to, name));
}

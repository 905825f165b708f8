import { chmod, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { hasCode } from "../errors/caught.ts";

/**
 * Creates a folder and its missing parents, starting from the nearest that exists. Node's recursive mkdir works
 * upwards instead: in /proc, where no folder can be created, it never ends, and on a read-only volume it
 * reports ENOENT.
 *
 * @param mode of each folder created, regardless of the umask; by default the umask decides
 * @throws the system's error
 */
export async function makeDirectory(path: string, mode?: number): Promise<void> {
  if (await isDirectory(path)) return;
  if (dirname(path) !== path) await makeDirectory(dirname(path), mode);
  try {
    // mkdir applies the mode from the start; chmod restores bits that the umask removed.
    await mkdir(path, { mode });
    if (mode !== undefined) await chmod(path, mode);
  } catch (error) {
    // Another process may have created it meanwhile.
    if (!(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

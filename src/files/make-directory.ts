import { chmod, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder, and those above it that are missing, from the nearest that exists downwards. Node's own
 * recursive mkdir asks upwards: in /proc, where no folder can be made, it never ends, and of a read-only
 * volume it says ENOENT.
 *
 * @param mode of each folder that is made, whatever the umask; by default as the umask has it
 * @throws the system's refusal
 */
export async function makeDirectory(path: string, mode?: number): Promise<void> {
  if (await isDirectory(path)) return;
  if (dirname(path) !== path) await makeDirectory(dirname(path), mode);
  try {
    // Narrow from the first moment; the umask may have taken more than the mode says.
    await mkdir(path, { mode });
    if (mode !== undefined) await chmod(path, mode);
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

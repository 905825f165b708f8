/**
 * Whether a sensor's script is there, inside the pack's folder `sensors`, and may be started.
 */
import { access, constants, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { messageOf } from "../errors/caught.ts";
import { hasWindowsLineEnds, programProblem, windowsLineEndsRemedy } from "../files/program-form.ts";
import { builtinRuntime, nativeRuntime, shellRuntime } from "./names.ts";

/** @returns what is wrong with it, or undefined */
export async function entrypointProblem(
  directory: string,
  entrypoint: string,
  runtimeRef: string,
): Promise<string | undefined> {
  if (runtimeRef === builtinRuntime) return undefined;
  if (entrypoint === "") return "is required: the script, relative to the folder sensors";

  const folder = join(directory, "sensors");
  const script = join(folder, entrypoint);
  if (!script.startsWith(folder + sep)) return `leads out of the pack's folder sensors: ${entrypoint}`;
  try {
    // Links are followed: one that leads out of the pack would not be there in another container.
    const [realFolder, realScript] = [await realpath(directory), await realpath(script)];
    if (!realScript.startsWith(realFolder + sep))
      return `is a link that leads out of the pack, to ${realScript}`;
    if (!(await stat(realScript)).isFile()) return `is not a file: ${script}`;
    await access(realScript, constants.R_OK);
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
  if (runtimeRef !== nativeRuntime) return undefined;
  if (!(await isExecutable(script))) {
    return `is run as it is and so has to be executable: chmod +x ${script}`;
  }
  return programProblem(script);
}

/**
 * What will probably keep a script that is where it should be from working.
 *
 * @returns a clause about the entrypoint, or undefined
 */
export async function entrypointWarning(
  directory: string,
  entrypoint: string,
  runtimeRef: string,
): Promise<string | undefined> {
  if (runtimeRef !== shellRuntime) return undefined;
  const script = join(directory, "sensors", entrypoint);
  if (!(await hasWindowsLineEnds(script))) return undefined;
  return `has Windows line endings, which a shell reads as parts of its commands: ${windowsLineEndsRemedy(script)}`;
}

/** By the mode and not by access(): root may do everything, and the agent need not be root. */
async function isExecutable(file: string): Promise<boolean> {
  return ((await stat(file)).mode & 0o111) !== 0;
}

/**
 * Checks that a sensor's script is inside the pack's folder `sensors` and can be started.
 */
import { access, constants, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { hasCode, messageOf } from "../errors/caught.ts";
import { hasWindowsLineEnds, programProblem, windowsLineEndsRemedy } from "../files/program-form.ts";
import { builtinRuntimeRef } from "../model/runtimes/runtime-names.ts";
import { builtinKindOf, builtinKinds } from "../model/sensors/sensor-kind.ts";
import { nativeRuntime, shellRuntime } from "./names.ts";

/** @returns what is wrong with the entrypoint itself, regardless of the files; undefined if nothing is */
export function entrypointProblem(entrypoint: string, runtimeRef: string): string | undefined {
  if (runtimeRef === builtinRuntimeRef) {
    const kind = builtinKindOf(entrypoint);
    if (kind.kind === "valid") return undefined;
    return `names no built-in sensor: it must be one of ${[...builtinKinds.keys()].join(", ")}`;
  }
  if (entrypoint === "") return "is required: the script, relative to the folder sensors";
  const folder = join(sep, "sensors");
  if (join(folder, entrypoint).startsWith(folder + sep)) return undefined;
  return `leads out of the pack's folder sensors: ${entrypoint}`;
}

/** @returns what is wrong with the script of a valid entrypoint; undefined if nothing is */
export async function scriptFileProblem(
  directory: string,
  entrypoint: string,
  runtimeRef: string,
): Promise<string | undefined> {
  if (runtimeRef === builtinRuntimeRef) return undefined;
  const script = join(directory, "sensors", entrypoint);
  try {
    // Follow links, because the target of one that leads out of the pack may be missing in another container.
    const [realFolder, realScript] = [await realpath(directory), await realpath(script)];
    if (!realScript.startsWith(realFolder + sep))
      return `is a link that leads out of the pack, to ${realScript}`;
    if (!(await stat(realScript)).isFile()) return `is not a file: ${script}`;
    await access(realScript, constants.R_OK);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return `names ${script}, which does not exist`;
    return `cannot be read: ${messageOf(error)}`;
  }
  if (runtimeRef !== nativeRuntime) return undefined;
  if (!(await isExecutable(script))) {
    return `is executed directly and must be executable: chmod +x ${script}`;
  }
  return programProblem(script);
}

/**
 * Why an existing script will probably not work.
 *
 * @returns a clause about the entrypoint; undefined if nothing looks wrong
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

/** Checks the mode instead of access(), because root may execute everything but the agent need not be root. */
async function isExecutable(file: string): Promise<boolean> {
  return ((await stat(file)).mode & 0o111) !== 0;
}

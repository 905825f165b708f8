/**
 * Where a sensor's script is: `{packs_base_dir}/{pack_ref}/sensors/{entrypoint}`, and nowhere else.
 *
 * The row is not trusted: neither `../` nor a symbolic link may lead out of the pack's sensors folder. (The pack's
 * folder itself may be a link, as it often is during development.)
 */
import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { programProblem } from "../../files/program-form.ts";

export type Script =
  | { readonly kind: "found"; readonly path: string; readonly packDir: string }
  /** For the operator. */
  | { readonly kind: "refused"; readonly reason: string };

export interface ScriptQuestion {
  readonly packsBaseDir: string;
  readonly packRef: string;
  readonly entrypoint: string;
  /** Executed directly, without an interpreter. */
  readonly isNative: boolean;
}

export async function findScript({
  packsBaseDir,
  packRef,
  entrypoint,
  isNative,
}: ScriptQuestion): Promise<Script> {
  if (entrypoint === "") return refuse(`the sensor's row names no entrypoint`);
  const packDir = join(packsBaseDir, packRef);
  if (!isInside(packsBaseDir, packDir)) return refuse(`the pack ${packRef} would be outside ${packsBaseDir}`);
  const sensorsDir = join(packDir, "sensors");
  const wanted = resolve(sensorsDir, entrypoint);
  if (!isInside(sensorsDir, wanted)) {
    return refuse(`the entrypoint ${entrypoint} leads out of ${sensorsDir}: it must stay inside`);
  }

  const base = await realpath(sensorsDir).catch(() => undefined);
  if (base === undefined)
    return refuse(`the folder ${sensorsDir} does not exist: is the pack ${packRef} installed here?`);
  const path = await realpath(wanted).catch(() => undefined);
  if (path === undefined) return refuse(`the script ${wanted} does not exist`);
  if (!isInside(base, path)) return refuse(`the script ${wanted} is a link that leads out of ${sensorsDir}`);
  if (!(await stat(path)).isFile()) return refuse(`${wanted} is not a file`);
  if (!(await isPermitted(path, constants.R_OK))) {
    return refuse(`the script ${wanted} may not be read by the agent's user: give it the read permission`);
  }
  if (isNative) {
    if (!(await isPermitted(path, constants.X_OK))) {
      return refuse(`${wanted} may not be executed: give it the execute permission (chmod +x)`);
    }
    const problem = await programProblem(path);
    if (problem !== undefined) return refuse(`${wanted} ${problem}`);
  }
  return { kind: "found", path, packDir };
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`);
}

async function isPermitted(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

function refuse(reason: string): Script {
  return { kind: "refused", reason };
}

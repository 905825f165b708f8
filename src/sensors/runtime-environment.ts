/**
 * The environment of a pack in which its sensors run: a virtual environment, a node_modules, or
 * whatever the runtime's row describes, in `{runtime_envs_dir}/{pack_ref}/{runtime}[-{version}]`.
 *
 * Action workers make and share it. One made in an image with other paths has links that lead nowhere
 * here; that is said, and the runtime's own interpreter is used.
 */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { OfferedRuntime } from "../model/offered-runtime.ts";
import { fillIn, type ExecutionConfig, type VariableChange } from "./execution-config.ts";

export interface RuntimeEnvironment {
  readonly interpreter: string | null;
  /** The folder, if there is one. */
  readonly folder: string | null;
  readonly changes: ReadonlyMap<string, VariableChange>;
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
}

export interface RuntimeEnvironmentQuestion {
  readonly runtimeEnvsDir: string;
  readonly packRef: string;
  readonly packDir: string;
  readonly runtime: OfferedRuntime;
  readonly config: ExecutionConfig;
}

export async function findRuntimeEnvironment(
  question: RuntimeEnvironmentQuestion,
): Promise<RuntimeEnvironment> {
  const { packDir, runtime, config } = question;
  const warnings = config.problems.map((problem) => `${runtime.ref}: ${problem}`);
  const folder = await firstFolder(environmentFolders(question));
  let interpreter = runtime.interpreter;
  let isOwn = true;

  if (folder !== undefined) {
    const candidates = interpreterCandidates(folder, question);
    const found = await firstExecutable(candidates);
    if (found !== undefined) {
      interpreter = found;
      isOwn = false;
    } else if (candidates.length > 0) {
      warnings.push(
        `the environment ${folder} has no interpreter that works here (looked for ${candidates.join(", ")}); ` +
          `it was probably made in an image with other paths: make it again, or remove it. ` +
          `Until then ${runtime.interpreter ?? "the script itself"} is used`,
      );
    }
  }

  const words = { pack_dir: packDir, env_dir: folder ?? "", interpreter: interpreter ?? "" };
  const changes = new Map<string, VariableChange>(
    folder === undefined ? [] : folderChanges(folder, runtime.name, isOwn ? null : interpreter),
  );
  for (const [name, change] of config.variables) {
    changes.set(name, { ...change, value: fillIn(change.value, words) });
  }
  return { interpreter, folder: folder ?? null, changes, warnings };
}

/** Exists while the environment is being made. */
export function lockOf(folder: string): string {
  return `${folder}.lock`;
}

/** With the version first: the most particular one that is there counts. */
export function environmentFolders({
  runtimeEnvsDir,
  packRef,
  runtime,
}: RuntimeEnvironmentQuestion): string[] {
  const base = join(runtimeEnvsDir, packRef);
  const { name, version } = runtime;
  const versions = version === null ? [] : [version, version.split(".").slice(0, 2).join(".")];
  return [...versions.map((each) => `${name}-${each}`), name].map((folder) => join(base, folder));
}

function interpreterCandidates(
  folder: string,
  { packDir, runtime, config }: RuntimeEnvironmentQuestion,
): string[] {
  if (config.interpreterPath !== null) {
    return [fillIn(config.interpreterPath, { env_dir: folder, pack_dir: packDir })];
  }
  return runtime.name === "python" ? [join(folder, "bin/python3"), join(folder, "bin/python")] : [];
}

function folderChanges(
  folder: string,
  runtimeName: string,
  interpreter: string | null,
): [string, VariableChange][] {
  const changes: [string, VariableChange][] = [];
  if (runtimeName === "node") changes.push(["NODE_PATH", prepend(join(folder, "node_modules"))]);
  // What activating a virtual environment does.
  if (interpreter !== null && runtimeName === "python") {
    changes.push(["VIRTUAL_ENV", { operation: "set", value: folder, separator: ":" }]);
  }
  if (interpreter !== null) changes.push(["PATH", prepend(dirname(interpreter))]);
  return changes;
}

function prepend(value: string): VariableChange {
  return { operation: "prepend", value, separator: ":" };
}

async function firstFolder(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const isLocked = await stat(lockOf(path)).then(
      () => true,
      () => false,
    );
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isFolder && !isLocked) return path;
  }
  return undefined;
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    // Follows links: a broken one is not there.
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return path;
  }
  return undefined;
}

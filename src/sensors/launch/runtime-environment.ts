/**
 * The environment in which a pack's sensors run: a virtual environment, a node_modules folder, or whatever the runtime's
 * row describes, in `{runtime_envs_dir}/{pack_ref}/{runtime}[-{version}]`.
 *
 * Action workers create and share it. If it was created in an image with other paths, its links dangle here; then a
 * warning is returned and the runtime's own interpreter is used.
 */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { OfferedRuntime } from "../../model/runtimes/offered-runtime.ts";
import { lockOf } from "./environment-lock.ts";
import { fillIn, type ExecutionConfig, type NamedChange, type VariableChange } from "./execution-config.ts";
import { importOption } from "./module-lookup.ts";

export interface RuntimeEnvironment {
  readonly interpreter: string | null;
  /** The folder, if it exists. */
  readonly folder: string | null;
  /** Changes of variables, in the order in which they are applied. */
  readonly changes: readonly NamedChange[];
  /** For the operator. */
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
  const folder = await firstFolder(environmentFolders(question), null);
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
  const changes: NamedChange[] = [
    ...(folder === undefined ? [] : folderChanges(folder, runtime, isOwn ? null : interpreter)),
    ...[...config.variables].map(([name, change]): NamedChange => [
      name,
      { ...change, value: fillIn(change.value, words) },
    ]),
  ];
  return { interpreter, folder: folder ?? null, changes, warnings };
}

/**
 * The folder to use, if its interpreter works here.
 *
 * @param lockedByUs a folder whose lock the caller holds; any other lock means that the folder is being created
 */
export async function usableFolder(
  question: RuntimeEnvironmentQuestion,
  lockedByUs: string | null,
): Promise<string | undefined> {
  const folder = await firstFolder(environmentFolders(question), lockedByUs);
  if (folder === undefined) return undefined;
  const candidates = interpreterCandidates(folder, question);
  return candidates.length === 0 || (await firstExecutable(candidates)) !== undefined ? folder : undefined;
}

/** With the version first: the most specific existing folder is used. */
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
  { name, version }: OfferedRuntime,
  interpreter: string | null,
): NamedChange[] {
  const changes: NamedChange[] = [];
  if (name === "node") {
    changes.push(["NODE_PATH", prepend(join(folder, "node_modules"))]);
    const option = importOption(folder, version);
    if (option !== undefined) {
      changes.push(["NODE_OPTIONS", { operation: "append", value: option, separator: " " }]);
    }
  }
  // The same as activating a virtual environment.
  if (interpreter !== null && name === "python") {
    changes.push(["VIRTUAL_ENV", { operation: "set", value: folder, separator: ":" }]);
  }
  if (interpreter !== null) changes.push(["PATH", prepend(dirname(interpreter))]);
  return changes;
}

function prepend(value: string): VariableChange {
  return { operation: "prepend", value, separator: ":" };
}

async function firstFolder(paths: readonly string[], lockedByUs: string | null): Promise<string | undefined> {
  for (const path of paths) {
    const isLocked = await stat(lockOf(path)).then(
      () => path !== lockedByUs,
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
    // Follows links, so a dangling one counts as missing.
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return path;
  }
  return undefined;
}

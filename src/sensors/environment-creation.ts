/**
 * Makes a pack's environment where the runtime's row says how and there is none yet: `create_command`,
 * then, if the pack has the manifest, `install_command`.
 *
 * The folder is shared by sensors and workers, and a virtual environment cannot be renamed into place,
 * since it names its own path inside. So `{folder}.lock` keeps other makers out and tells users that
 * the folder is not ready; whoever finds it goes on without, and is right at its next start.
 */
import { constants } from "node:fs";
import { access, mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectory } from "../files/make-directory.ts";
import { complaintIn } from "../model/command-complaint.ts";
import { runCommand, type CommandResult } from "../processes/run-command.ts";
import { inheritedVariables, type AgentEnvironment } from "./environment.ts";
import { fillIn } from "./execution-config.ts";
import { environmentFolders, lockOf, type RuntimeEnvironmentQuestion } from "./runtime-environment.ts";

/** Installing dependencies downloads and compiles. */
const commandTimeoutMs = 300_000;
const lockAgeMsMax = 2 * commandTimeoutMs + 60_000;

export interface CreationRequest extends RuntimeEnvironmentQuestion {
  readonly environment: AgentEnvironment;
  readonly signal: AbortSignal;
}

/** @returns sentences for the operator; none when nothing was to be done or all went well */
export async function createEnvironment(request: CreationRequest): Promise<readonly string[]> {
  const { config, runtime, packDir } = request;
  const folders = environmentFolders(request);
  const folder = folders.at(-1);
  const manifest = config.manifestFile === null ? null : join(packDir, config.manifestFile);
  const isNeeded = config.createCommand !== null && (manifest === null || (await isThere(manifest)));
  if (folder === undefined || !isNeeded || (await anyIsThere(folders))) return [];

  const trouble = await lock(folder);
  if (trouble !== undefined) return [trouble];
  try {
    const interpreter = fillIn(config.interpreterPath ?? runtime.interpreter ?? "", { env_dir: folder });
    const words = { env_dir: folder, pack_dir: packDir, interpreter, manifest_path: manifest ?? "" };
    const commands = [config.createCommand, manifest === null ? null : config.installCommand];
    for (const command of commands) {
      if (command === null) continue;
      const [file = "", ...args] = command.map((word) => fillIn(word, words));
      const result = await runCommand(
        {
          file,
          args,
          cwd: packDir,
          env: inheritedVariables(request.environment, []),
          timeoutMs: commandTimeoutMs,
          outputBytesMax: 1024 * 1024,
        },
        request.signal,
      );
      const failure = failureOf(result);
      if (failure === undefined) continue;
      await rm(folder, { recursive: true, force: true });
      return [`the environment ${folder} could not be made: ${[file, ...args].join(" ")} ${failure}`];
    }
    return [];
  } finally {
    await rm(lockOf(folder), { recursive: true, force: true });
  }
}

async function lock(folder: string): Promise<string | undefined> {
  const path = lockOf(folder);
  try {
    await makeDirectory(dirname(folder));
    await access(dirname(folder), constants.W_OK);
    const heldSince = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
    // Its maker has died.
    if (heldSince !== undefined && Date.now() - heldSince > lockAgeMsMax) await rm(path, { recursive: true });
    await mkdir(path);
    return undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") {
      return `the environment ${folder} is being made by another process; starting without it`;
    }
    const reason = error instanceof Error ? error.message : String(error);
    return `the environment ${folder} cannot be made here (${reason}): make it elsewhere or let the agent write there`;
  }
}

function failureOf(result: CommandResult): string | undefined {
  switch (result.kind) {
    case "exited":
      return result.code === 0 ? undefined : `ended with code ${result.code}: ${complaintIn(result)}`;
    case "signalled":
      return `was ended by ${result.signal}`;
    case "timed-out":
      return "took too long or was interrupted";
    case "overflowed":
      return "printed without end";
    case "unstarted":
      return `could not be started: ${result.cause.message}`;
  }
}

async function anyIsThere(paths: readonly string[]): Promise<boolean> {
  return (await Promise.all(paths.map(isThere))).includes(true);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Creates a pack's environment if the runtime's row says how: `copy_files`, `create_command` and, if the pack has the
 * manifest, `install_command`.
 *
 *     absent ──▶ locked, created ──▶ ready ──manifest changes──▶ locked, updated ──▶ ready
 *                     │                                                 │
 *                     └─ failed: removed, sensors run without it        └─ failed: stays as it was
 *
 * - Sensors that need the same environment wait for a single creation, in this process and, through its lock, in others.
 * - A failure is remembered for a while; otherwise a poll sensor would repeat it at every run.
 * - If the agent is killed, so are the commands: the lock's heir begins anew in the same folder.
 * - `.attune-environment` in the folder contains the manifest's fingerprint. A folder without it was created by others:
 *   it is used but never changed.
 */
import { constants } from "node:fs";
import { access, copyFile, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SharedTask } from "../../concurrency/shared-task.ts";
import { messageOf } from "../../errors/caught.ts";
import { makeDirectory } from "../../files/make-directory.ts";
import { complaintIn } from "../../model/texts/command-complaint.ts";
import type { ProcessGuard } from "../../processes/guard.ts";
import { runCommand, type CommandResult } from "../../processes/run-command.ts";
import { explainSpawnFailure } from "../../processes/spawn-failure.ts";
import type { Clock } from "../../time/clock.ts";
import { readDependencyManifest, type DependencyManifest } from "./dependency-manifest.ts";
import { inheritedVariables, type AgentVariables } from "./sensor-variables.ts";
import { lockEnvironment, lockOf, type LockOutcome } from "./environment-lock.ts";
import { fillIn } from "./execution-config.ts";
import { environmentFolders, usableFolder, type RuntimeEnvironmentQuestion } from "./runtime-environment.ts";

/** Long, because installing dependencies downloads and compiles. */
const commandTimeoutMs = 900_000;
const retryAfterMs = 300_000;
const outputLinesLogged = 40;

export interface EnvironmentRequest extends RuntimeEnvironmentQuestion {
  readonly agentVariables: AgentVariables;
  readonly passthrough: readonly string[];
  readonly temporaryDir: string;
  readonly guard: Pick<ProcessGuard, "watch">;
  /** A variable, as `NAME=value`, by which the guard finds what the commands start. */
  readonly marker: string;
  /** For the sensor's own log. */
  readonly log: (lines: readonly string[]) => void;
  readonly signal: AbortSignal;
}

interface Plan {
  readonly folder: string;
  /** Undefined if the environment needs nothing from the pack. */
  readonly manifest: DependencyManifest | undefined;
  readonly fingerprint: string;
}

interface Failure {
  readonly fingerprint: string;
  readonly warning: string;
  readonly untilMs: number;
}

/** The folder that must be created or updated before the pack's dependencies can be used. */
export async function pendingEnvironment(question: RuntimeEnvironmentQuestion): Promise<string | undefined> {
  const plan = await planOf(question);
  if (plan === undefined || (await standingOf(plan, question, false)) === "ready") return undefined;
  return plan.folder;
}

export class EnvironmentMaker {
  readonly #clock: Clock;
  readonly #underWay = new Map<string, SharedTask<readonly string[]>>();
  readonly #failures = new Map<string, Failure>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Resolves when the environment is up to date, or cannot be.
   *
   * @returns warnings for the operator; none if nothing had to be done or all went well
   */
  async prepare(request: EnvironmentRequest): Promise<readonly string[]> {
    const plan = await planOf(request);
    if (plan === undefined || (await standingOf(plan, request, false)) === "ready") return [];

    const failure = this.#failures.get(plan.folder);
    if (failure?.fingerprint === plan.fingerprint && this.#clock.monotonicMs() < failure.untilMs) {
      return [failure.warning];
    }
    const underWay = this.#underWay.get(plan.folder);
    const task =
      underWay === undefined || underWay.isAbandoned
        ? new SharedTask((signal) => this.#make(plan, { ...request, signal }))
        : underWay;
    this.#underWay.set(plan.folder, task);
    const warnings = await task.join(request.signal);
    if (this.#underWay.get(plan.folder) === task) this.#underWay.delete(plan.folder);
    return warnings ?? [];
  }

  async #make(plan: Plan, request: EnvironmentRequest): Promise<readonly string[]> {
    const { folder, fingerprint } = plan;
    const outcome = await lockEnvironment(folder, this.#clock, request.signal);
    if (outcome.kind === "given-up") return [];
    const warning =
      outcome.kind === "refused"
        ? `the environment ${folder} cannot be created: ${outcome.reason}; give the agent write permission there ` +
          `(runtime_envs_dir), or create it elsewhere. ${withoutIt(request)}`
        : await makeLocked(plan, request, outcome);
    // An interruption is not a failure.
    if (warning === undefined || request.signal.aborted) {
      this.#failures.delete(folder);
      return [];
    }
    this.#failures.set(folder, { fingerprint, warning, untilMs: this.#clock.monotonicMs() + retryAfterMs });
    return [warning];
  }
}

async function planOf(question: RuntimeEnvironmentQuestion): Promise<Plan | undefined> {
  const { config, packDir, runtime } = question;
  const isMakeable = config.createCommand !== null || config.copyFiles.length > 0;
  if (!isMakeable || runtime.interpreter === null) return undefined;
  if (config.bundledIn !== null && (await isFolder(join(packDir, config.bundledIn)))) return undefined;
  const manifest = await readDependencyManifest(packDir, config);
  if (manifest === undefined && config.manifestFile !== null) return undefined;
  // Not the exact version's folder, because a patch release of the interpreter does not need another environment.
  const folder = environmentFolders(question).at(runtime.version === null ? -1 : -2);
  return folder === undefined ? undefined : { folder, manifest, fingerprint: manifest?.fingerprint ?? "" };
}

type Standing = "absent" | "outdated" | "ready";

/** @param isLockOurs whether the caller holds the lock; otherwise a lock means that it is being created */
async function standingOf(
  { folder, fingerprint }: Plan,
  question: RuntimeEnvironmentQuestion,
  isLockOurs: boolean,
): Promise<Standing> {
  const usable = await usableFolder(question, isLockOurs ? folder : null);
  const madeFor = await readFile(markOf(folder), "utf8").catch(() => undefined);
  if (usable === folder) return madeFor === undefined || madeFor === fingerprint ? "ready" : "outdated";
  if (usable !== undefined) return "ready";
  if (!isLockOurs && (await isFolder(lockOf(folder)))) return "absent";
  // One that others created and that does not work here is not ours to repair; findRuntimeEnvironment warns of it.
  return madeFor === undefined && (await isFolder(folder)) ? "ready" : "absent";
}

/** @returns a warning if it failed */
async function makeLocked(
  plan: Plan,
  request: EnvironmentRequest,
  { lock, isInherited }: Extract<LockOutcome, { kind: "taken" }>,
): Promise<string | undefined> {
  await using _held = lock;
  const { folder, fingerprint } = plan;
  let standing: Standing = "absent";
  let failure: string | undefined;
  try {
    if (isInherited && !(await isFile(markOf(folder)))) await rm(folder, { recursive: true, force: true });
    standing = await standingOf(plan, request, true);
    if (standing === "ready") return undefined;

    request.log([`creating the environment ${folder}`]);
    if (standing === "absent") await rm(folder, { recursive: true, force: true });
    failure = await runCommands(plan, request, standing);
    if (failure === undefined) await writeFile(markOf(folder), fingerprint);
  } catch (error) {
    failure = messageOf(error);
  }
  if (failure === undefined) return undefined;
  if (standing === "outdated") {
    return `the environment ${folder} could not be updated: ${failure}. Sensors use it as it is`;
  }
  // A partial environment would be taken for a complete one. If it cannot be removed, its volume has failed.
  await rm(folder, { recursive: true, force: true }).catch(() => {});
  return `the environment ${folder} could not be created: ${failure}. ${withoutIt(request)}`;
}

function withoutIt({ config: { manifestFile } }: EnvironmentRequest): string {
  const missing =
    manifestFile === null ? "it" : `the dependencies in ${manifestFile}, except those in the image`;
  return `Sensors run without ${missing}`;
}

/** @returns which command failed and why */
async function runCommands(
  { folder, manifest }: Plan,
  request: EnvironmentRequest,
  standing: Standing,
): Promise<string | undefined> {
  const { config, packDir, runtime } = request;
  if (config.copyFiles.length > 0) await makeDirectory(folder);
  for (const file of config.copyFiles) {
    if (await isFile(join(packDir, file))) await copyFile(join(packDir, file), join(folder, file));
  }
  const words = { env_dir: folder, pack_dir: packDir, manifest_path: manifest?.path ?? "" };
  const own = { ...words, interpreter: runtime.interpreter ?? "" };
  const made = { ...words, interpreter: fillIn(config.interpreterPath ?? own.interpreter, words) };
  const steps = [
    { command: standing === "absent" ? config.createCommand : null, filledWith: own },
    { command: manifest === undefined ? null : config.installCommand, filledWith: made },
  ];
  const env = await commandVariables(request);
  for (const { command, filledWith } of steps) {
    if (command === null) continue;
    const [file = "", ...args] = command.map((word) => fillIn(word, filledWith));
    const bounds = { timeoutMs: commandTimeoutMs, outputBytesMax: 1024 * 1024 };
    const result = await runCommand({ file, args, cwd: packDir, env, ...bounds }, request.signal, (child) =>
      request.guard.watch(child),
    );
    const failure = failureOf(result, file);
    if (failure === undefined) continue;
    if (result.kind !== "unstarted") request.log(lastLines(result));
    return `${[file, ...args].join(" ")} ${failure}`;
  }
  return undefined;
}

/** A container's user often has no writable home, which pip tolerates and npm does not. */
async function commandVariables({
  agentVariables,
  passthrough,
  temporaryDir,
  marker,
}: EnvironmentRequest): Promise<Record<string, string>> {
  const [markerName = "", markerValue = ""] = marker.split("=");
  const inherited = { ...inheritedVariables(agentVariables, passthrough), [markerName]: markerValue };
  const { HOME: home = "/" } = inherited;
  const isWritable = await access(home, constants.W_OK).then(
    () => true,
    () => false,
  );
  return isWritable ? inherited : { ...inherited, HOME: temporaryDir };
}

function failureOf(result: CommandResult, file: string): string | undefined {
  switch (result.kind) {
    case "exited":
      return result.code === 0 ? undefined : `ended with code ${result.code}${said(result)}`;
    case "signalled":
      return `was ended by ${result.signal}${said(result)}`;
    case "timed-out":
      return `took longer than ${commandTimeoutMs / 60_000} minutes${said(result)}`;
    case "overflowed":
      return "printed more than 1 MiB";
    case "unstarted":
      return `could not be started: ${explainSpawnFailure({ file }, result.cause)}`;
  }
}

function said(output: { readonly stdout: string; readonly stderr: string }): string {
  const complaint = complaintIn(output);
  return complaint === "" ? "" : `: ${complaint}`;
}

function lastLines({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): string[] {
  return `${stdout}\n${stderr}`
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== "")
    .slice(-outputLinesLogged);
}

function markOf(folder: string): string {
  return join(folder, ".attune-environment");
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

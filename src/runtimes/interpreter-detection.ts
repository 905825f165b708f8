/**
 * Finds the interpreters of the image that the agent was put into, before anything else is loaded.
 *
 * An interpreter is there if its file is there and the system can start it. Its version command only
 * adds the version: one that hangs, fails or says nothing is reported all the same, since what a
 * sensor needs is the interpreter and not its version command.
 */
import type { DetectedInterpreter } from "../model/detected-interpreter.ts";
import { versionInOutput } from "../model/version-output.ts";
import { runCommandSync, type CommandResult } from "../processes/run-command-sync.ts";
import { findExecutable, ownExecutable } from "./executable-lookup.ts";
import { probeEnvironment } from "./probe-environment.ts";

interface Candidate {
  readonly name: string;
  /** The first that exists and starts is taken. */
  readonly binaries: readonly string[];
  readonly args: readonly string[];
}

/** In the order in which they are reported. */
const candidates: readonly Candidate[] = [
  { name: "shell", binaries: ["bash", "sh"], args: ["--version"] },
  { name: "python", binaries: ["python3", "python"], args: ["--version"] },
  { name: "node", binaries: ["node", "nodejs"], args: ["--version"] },
  { name: "ruby", binaries: ["ruby"], args: ["--version"] },
  { name: "go", binaries: ["go"], args: ["version"] },
  { name: "java", binaries: ["java"], args: ["-version"] },
  { name: "r", binaries: ["Rscript"], args: ["--version"] },
  { name: "perl", binaries: ["perl"], args: ["--version"] },
];

/** The binaries that detection looks for under that canonical name; none for names it does not know. */
export function probedBinaries(name: string): readonly string[] {
  return candidates.find((candidate) => candidate.name === name)?.binaries ?? [];
}

export interface DetectionOptions {
  /** The agent's environment; PATH says where to look. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly ownExecutable?: string | null;
  /** For each version command. */
  readonly timeoutMs?: number;
}

export function detectInterpreters(options: DetectionOptions): readonly DetectedInterpreter[] {
  return candidates.flatMap((candidate) => detect(candidate, options) ?? []);
}

function detect(candidate: Candidate, options: DetectionOptions): DetectedInterpreter | undefined {
  const { environment, timeoutMs = 3_000 } = options;
  const own = options.ownExecutable === undefined ? ownExecutable() : options.ownExecutable;
  for (const binary of candidate.binaries) {
    const path = findExecutable(binary, { path: environment["PATH"], ownExecutable: own });
    if (path === undefined) continue;
    const result = runCommandSync({
      file: path,
      args: candidate.args,
      env: probeEnvironment(environment),
      timeoutMs,
      outputBytesMax: 64 * 1024,
    });
    if (result.kind === "unstarted") continue;
    return { name: candidate.name, path, version: versionSaid(result) };
  }
  return undefined;
}

function versionSaid(result: Exclude<CommandResult, { kind: "unstarted" }>): string | null {
  // Numbers in a complaint are not a version: a shell that knows no --version exits with 2.
  if (result.kind !== "exited" || result.code !== 0) return null;
  return versionInOutput(result.stdout) ?? versionInOutput(result.stderr);
}

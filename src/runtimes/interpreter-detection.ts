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
import { findExecutable, ownExecutable, type ExecutableLookup } from "./executable-lookup.ts";
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

interface Probe {
  readonly lookup: ExecutableLookup;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export function detectInterpreters({
  environment,
  ownExecutable: own = ownExecutable(),
  timeoutMs = 3_000,
}: DetectionOptions): readonly DetectedInterpreter[] {
  const lookup = { path: environment["PATH"], ownExecutable: own };
  const probe = { lookup, env: probeEnvironment(environment), timeoutMs };
  return candidates.flatMap((candidate) => detect(candidate, probe) ?? []);
}

function detect(candidate: Candidate, { lookup, env, timeoutMs }: Probe): DetectedInterpreter | undefined {
  const { args } = candidate;
  for (const binary of candidate.binaries) {
    const path = findExecutable(binary, lookup);
    if (path === undefined) continue;
    const result = runCommandSync({ file: path, args, env, timeoutMs, outputBytesMax: 64 * 1024 });
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

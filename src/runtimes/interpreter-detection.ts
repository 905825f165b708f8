/**
 * Finds the interpreters of the image that the agent was put into, before anything else is done.
 *
 * An interpreter is there if its file is there and the system can start it. Its version command only
 * adds the version: one that hangs, fails or says nothing is reported all the same, since what a
 * sensor needs is the interpreter and not its version command.
 *
 * Several are asked at once, so that one that hangs holds up no other.
 */
import pMap from "p-map";
import type { DetectedInterpreter } from "../model/detected-interpreter.ts";
import { versionInOutput } from "../model/version-output.ts";
import type { CommandResult } from "../processes/run-command.ts";
import { askedAtOnceMax } from "./asked-at-once.ts";
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
  /** Ends the search; what it found is then not all there is. */
  readonly signal?: AbortSignal;
}

interface Probe {
  readonly lookup: ExecutableLookup;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export async function detectInterpreters({
  environment,
  ownExecutable: own = ownExecutable(),
  timeoutMs = 3_000,
  signal,
}: DetectionOptions): Promise<readonly DetectedInterpreter[]> {
  const lookup = { path: environment["PATH"], ownExecutable: own };
  const probe = { lookup, env: probeEnvironment(environment), timeoutMs, signal };
  const found = await pMap(candidates, (candidate) => detect(candidate, probe), {
    concurrency: askedAtOnceMax,
  });
  return found.filter((interpreter) => interpreter !== undefined);
}

async function detect(
  candidate: Candidate,
  { lookup, env, timeoutMs, signal }: Probe,
): Promise<DetectedInterpreter | undefined> {
  const { args } = candidate;
  for (const binary of candidate.binaries) {
    if (signal?.aborted) return undefined;
    const path = findExecutable(binary, lookup);
    if (path === undefined) continue;
    const command = { file: path, args, env, timeoutMs, outputBytesMax: 64 * 1024 };
    // Only now: an image without interpreters does not pay for what starts programs.
    const { runCommand } = await import("../processes/run-command.ts");
    const result = await runCommand(command, signal);
    if (result.kind === "unstarted" && !isOwnShortage(result.cause)) continue;
    return { name: candidate.name, path, version: versionSaid(result) };
  }
  return undefined;
}

/** Whether it is we who lack files, processes or memory: the interpreter is there for all we know. */
function isOwnShortage({ code }: NodeJS.ErrnoException): boolean {
  return code === "EMFILE" || code === "ENFILE" || code === "EAGAIN" || code === "ENOMEM";
}

function versionSaid(result: CommandResult): string | null {
  // Numbers in a complaint are not a version: a shell that knows no --version exits with 2.
  if (result.kind !== "exited" || result.code !== 0) return null;
  return versionInOutput(result.stdout) ?? versionInOutput(result.stderr);
}

/**
 * Finds the interpreters of the image that the agent was put into, before anything else is done.
 *
 * An interpreter is available if its file exists and can be started. Its version command only adds the
 * version: if that hangs, fails or prints nothing, the interpreter is reported all the same.
 *
 * Several version commands run at once, so that one that hangs does not delay the others.
 */
import { hasCode } from "../errors/caught.ts";
import type { DetectedInterpreter } from "../model/runtimes/detected-interpreter.ts";
import { versionInOutput } from "../model/runtimes/version-output.ts";
import type { BoundedCommand, CommandResult } from "../processes/run-command.ts";
import { findExecutable, ownExecutable, type ExecutableLookup } from "./executable-lookup.ts";
import { probeEnvironment } from "./probe-environment.ts";

const outputBytesMax = 64 * 1024;

interface Candidate {
  readonly name: string;
  /** The first one that exists and starts is used. */
  readonly binaries: readonly string[];
  readonly args: readonly string[];
}

/** In reporting order. */
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

/** The binaries that detection looks for under a canonical name; empty for unknown names. */
export function probedBinaries(name: string): readonly string[] {
  return candidates.find((candidate) => candidate.name === name)?.binaries ?? [];
}

/** Runs version commands to completion, several at a time; the results are in the order of the commands. */
export type RunVersionCommands = (commands: readonly BoundedCommand[]) => Promise<readonly CommandResult[]>;

export interface DetectionOptions {
  /** The agent's environment, including PATH. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly run: RunVersionCommands;
  readonly ownExecutable?: string | null;
  /** Time limit for each version command. */
  readonly timeoutMs?: number;
}

/** A candidate, and the paths of its binaries not yet tried. */
interface Search {
  readonly candidate: Candidate;
  readonly paths: readonly string[];
}

export async function detectInterpreters({
  environment,
  run,
  ownExecutable: own = ownExecutable(),
  timeoutMs = 3_000,
}: DetectionOptions): Promise<readonly DetectedInterpreter[]> {
  const lookup = { path: environment["PATH"], ownExecutable: own };
  const env = probeEnvironment(environment);
  const found = new Map<string, DetectedInterpreter>();
  let searches = candidates.map((candidate): Search => ({ candidate, paths: pathsOf(candidate, lookup) }));
  for (;;) {
    const asked = searches.flatMap(({ candidate, paths: [path, ...others] }) =>
      path === undefined ? [] : [{ candidate, path, others }],
    );
    if (asked.length === 0) return candidates.flatMap(({ name }) => found.get(name) ?? []);

    const results = await run(
      asked.map(({ candidate: { args }, path }) => ({ file: path, args, env, timeoutMs, outputBytesMax })),
    );
    searches = [];
    for (const [index, { candidate, path, others }] of asked.entries()) {
      const result = results[index];
      const { name } = candidate;
      if (result === undefined || (result.kind === "unstarted" && !isOwnShortage(result.cause))) {
        searches.push({ candidate, paths: others });
      } else {
        found.set(name, { name, path, version: versionSaid(result) });
      }
    }
  }
}

function pathsOf({ binaries }: Candidate, lookup: ExecutableLookup): readonly string[] {
  return binaries.flatMap((binary) => findExecutable(binary, lookup) ?? []);
}

/** Whether this process lacked files, processes or memory, which says nothing about the interpreter. */
function isOwnShortage(cause: Error): boolean {
  return hasCode(cause, "EMFILE", "ENFILE", "EAGAIN", "ENOMEM");
}

function versionSaid(result: CommandResult): string | null {
  // Numbers in an error message are not a version; a shell without --version exits with 2.
  if (result.kind !== "exited" || result.code !== 0) return null;
  return versionInOutput(result.stdout) ?? versionInOutput(result.stderr);
}

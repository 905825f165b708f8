/**
 * Finds the interpreters of the image that the agent was put into, before anything else is done.
 *
 * An interpreter is there if its file is there and the system can start it. Its version command only
 * adds the version: one that hangs, fails or says nothing is reported all the same, since what a
 * sensor needs is the interpreter and not its version command.
 *
 * Several are asked at once, so that one that hangs holds up no other.
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

/** Runs version commands to their ends, several at a time; the results are in the order of the commands. */
export type RunVersionCommands = (commands: readonly BoundedCommand[]) => Promise<readonly CommandResult[]>;

export interface DetectionOptions {
  /** The agent's environment; PATH says where to look. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly run: RunVersionCommands;
  readonly ownExecutable?: string | null;
  /** For each version command. */
  readonly timeoutMs?: number;
}

/** A candidate, and where its binaries are that have not been asked yet. */
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

/** Whether it is we who lack files, processes or memory: the interpreter is there for all we know. */
function isOwnShortage(cause: Error): boolean {
  return hasCode(cause, "EMFILE", "ENFILE", "EAGAIN", "ENOMEM");
}

function versionSaid(result: CommandResult): string | null {
  // Numbers in a complaint are not a version: a shell that knows no --version exits with 2.
  if (result.kind !== "exited" || result.code !== 0) return null;
  return versionInOutput(result.stdout) ?? versionInOutput(result.stderr);
}

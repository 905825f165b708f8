/** Runs one program of a longer run: prints its output, and at the end its outcome and duration. */
import { spawn, type ChildProcess } from "node:child_process";
import { hasCode } from "../../src/errors/caught.ts";
import { repositoryRoot } from "../repository.ts";

export interface Stage {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Stops the program with SIGTERM, and with SIGKILL after `graceMs`. */
  readonly signal: AbortSignal;
  /** Whether its output is printed in one piece at its end, because other stages run at the same time. */
  readonly isHeld?: boolean;
  /** Where to print the stage's start and end, and what was held. */
  readonly output?: Pick<NodeJS.WriteStream, "write">;
}

export interface StageOutcome {
  readonly name: string;
  readonly passed: boolean;
  readonly durationMs: number;
}

const graceMs = 30_000;

/** The script of that name in package.json. */
export function npmStage(name: string, signal: AbortSignal): Stage {
  return { name, file: "npm", args: ["run", "--silent", name], env: {}, signal };
}

/** Never rejects: a program that cannot be started has failed. */
export async function runStage(stage: Stage): Promise<StageOutcome> {
  const { name, isHeld = false, output = process.stdout } = stage;
  const heading = `\n── ${name}\n`;
  if (!isHeld) output.write(heading);
  const startedAtMs = performance.now();
  const { ending, held } = await runProgram(stage, isHeld);
  const durationMs = performance.now() - startedAtMs;

  const result = `── ${name}: ${ending ?? "passed"} (${(durationMs / 1_000).toFixed(1)} s)\n`;
  output.write(isHeld ? `${heading}${held}${result}` : result);
  return { name, passed: ending === undefined, durationMs };
}

interface Ended {
  /** How the program failed; undefined if it exited with 0. */
  readonly ending: string | undefined;
  /** What it printed, if that was held. */
  readonly held: string;
}

async function runProgram({ file, args, env, signal }: Stage, isHeld: boolean): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const channel = isHeld ? "pipe" : "inherit";
  // Its own process group, so that Ctrl-C reaches only this process, which then stops the stage in order.
  const child = spawn(file, args, {
    cwd: repositoryRoot,
    env: { ...process.env, ...env },
    stdio: ["ignore", channel, channel],
    detached: true,
  });
  const held = outputOf(child);
  child.once("error", (error) => resolve(`failed: ${error.message}`));
  // Later than `exit`: once all that was printed has been read.
  child.once("close", (code, killedBy) => {
    if (killedBy !== null) resolve(`ended by ${killedBy}`);
    else resolve(code === 0 ? undefined : `failed with ${code}`);
  });

  let kill: NodeJS.Timeout | undefined;
  const stop = (): void => {
    signalGroup(child.pid, "SIGTERM");
    kill = setTimeout(() => signalGroup(child.pid, "SIGKILL"), graceMs);
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    const ending = await promise;
    return { ending, held: held.join("") };
  } finally {
    signal.removeEventListener("abort", stop);
    clearTimeout(kill);
  }
}

/** Grows while the program prints; of both streams, in the order of arrival. */
function outputOf({ stdout, stderr }: ChildProcess): readonly string[] {
  const chunks: string[] = [];
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  }
  return chunks;
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}

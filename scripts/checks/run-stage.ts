/** Runs one program of a longer run: passes its output through, and prints its outcome and duration at the end. */
import { spawn } from "node:child_process";
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
  /** Where to print the stage's start and end. */
  readonly output?: Pick<NodeJS.WriteStream, "write">;
}

export interface StageOutcome {
  readonly name: string;
  readonly passed: boolean;
  readonly durationMs: number;
}

const graceMs = 30_000;

/** Never rejects: a program that cannot be started has failed. */
export async function runStage({
  name,
  file,
  args,
  env,
  signal,
  output = process.stdout,
}: Stage): Promise<StageOutcome> {
  output.write(`\n── ${name}\n`);
  const startedAtMs = performance.now();
  const ending = await endingOf(file, args, env, signal);
  const durationMs = performance.now() - startedAtMs;

  output.write(`── ${name}: ${ending ?? "passed"} (${(durationMs / 1_000).toFixed(1)} s)\n`);
  return { name, passed: ending === undefined, durationMs };
}

/** How the program failed; undefined if it exited with 0. */
async function endingOf(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  // Its own process group, so that Ctrl-C reaches only this process, which then stops the stage in order.
  const child = spawn(file, args, {
    cwd: repositoryRoot,
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  child.once("error", (error) => resolve(`failed: ${error.message}`));
  child.once("exit", (code, killedBy) => {
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
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
    clearTimeout(kill);
  }
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}

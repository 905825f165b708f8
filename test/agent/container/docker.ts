/** The `docker` command against the engine of these tests. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { cacheDirectory } from "../../../build/cache.ts";
import { type DockerEngine, provideDocker } from "../../../scripts/services/docker.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Docker extends AsyncDisposable {
  readonly host: string;
  /** For programs that call `docker` themselves. */
  readonly environment: NodeJS.ProcessEnv;
  /** Returns stdout; throws with stderr if the command fails. */
  run(...args: readonly string[]): Promise<string>;
  /** How a command ended, whatever that was. */
  attempt(...args: readonly string[]): Promise<Ended>;
  hasImage(tag: string): Promise<boolean>;
}

const timeLimitMs = 600_000;

export async function openDocker(): Promise<Docker> {
  const engine: DockerEngine = await provideDocker({ directory: join(cacheDirectory(), "docker") });
  const { file, environment } = engine.client;
  const attempt = async (...args: readonly string[]): Promise<Ended> =>
    attemptCommand(file, ["--host", engine.host, ...args], environment);
  return {
    host: engine.host,
    environment,
    attempt,
    run: async (...args) => {
      const { code, stdout, stderr } = await attempt(...args);
      if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}: ${stderr}`);
      return stdout;
    },
    hasImage: async (tag) => (await attempt("image", "inspect", tag)).code === 0,
    [Symbol.asyncDispose]: async () => engine[Symbol.asyncDispose](),
  };
}

/** Returns stdout; throws with stderr if the command fails. */
export async function runCommand(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const { code, stdout, stderr } = await attemptCommand(file, args, env);
  if (code !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${code}: ${stderr.slice(-3_000)}`);
  return stdout;
}

async function attemptCommand(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      file,
      [...args],
      { timeout: timeLimitMs, maxBuffer: 64 * 1024 * 1024, env },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

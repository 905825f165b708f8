/**
 * Which `docker` command, and which Compose, the tests use. Both are looked for at each call: what is asked for
 * before an installation is another question than what is asked for after it.
 */
import { spawnSync } from "node:child_process";
import { delimiter, dirname, isAbsolute } from "node:path";

export interface DockerClient {
  /** A path, or a name to be found on PATH. */
  readonly file: string;
  /** For it and for programs that call `docker` themselves, such as Compose: they find this client, and use BuildKit. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Debian's own before one that somebody put in front of it on PATH. */
const usualFiles = ["/usr/bin/docker", "docker"] as const;

/** The first client that builds images with BuildKit; undefined if there is none. */
export function findDockerClient(files: readonly string[] = usualFiles): DockerClient | undefined {
  return files.map(clientOf).find(buildsWithBuildKit);
}

/** The client's plug-in if it has one, else the program that it succeeds; undefined if there is neither. */
export function findComposeCommand(
  environment: NodeJS.ProcessEnv = findDockerClient()?.environment ?? process.env,
): readonly [string, ...string[]] | undefined {
  const commands = [["docker", "compose"], ["docker-compose"]] as const;
  return commands.find(([file, ...args]) => answer(file, [...args, "version"], environment) !== undefined);
}

function clientOf(file: string): DockerClient {
  const folders = [...(isAbsolute(file) ? [dirname(file)] : []), process.env["PATH"] ?? ""];
  return { file, environment: { ...process.env, PATH: folders.join(delimiter), DOCKER_BUILDKIT: "1" } };
}

/** Before version 23 a client speaks to BuildKit by itself; later ones do so by a plug-in, which may be missing. */
function buildsWithBuildKit({ file, environment }: DockerClient): boolean {
  const version = answer(file, ["--version"], environment)?.match(/version (\d+)\./)?.[1];
  if (version === undefined) return false;
  return Number(version) < 23 || answer(file, ["buildx", "version"], environment) !== undefined;
}

/** Undefined: it is not there, or it failed. */
function answer(file: string, args: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  const { status, stdout } = spawnSync(file, args, { env, encoding: "utf8", timeout: 10_000 });
  return status === 0 ? stdout : undefined;
}

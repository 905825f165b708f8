/**
 * Finds the `docker` command and Compose for the tests. Both are searched for at each call, because they may have been
 * installed since the last one.
 */
import { spawnSync } from "node:child_process";
import { delimiter, dirname, isAbsolute } from "node:path";

export interface DockerClient {
  /** A path, or a name to look up on PATH. */
  readonly file: string;
  /** Makes programs that call `docker` themselves, such as Compose, find this client and use BuildKit. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Debian's client takes precedence over others earlier on PATH. */
const usualFiles = ["/usr/bin/docker", "docker"] as const;

/** The first client that can build images with BuildKit; undefined if there is none. */
export function findDockerClient(files: readonly string[] = usualFiles): DockerClient | undefined {
  return files.map(clientOf).find(buildsWithBuildKit);
}

/** The client's Compose plug-in, or else the older standalone program; undefined if there is neither. */
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

/** Before version 23, clients have BuildKit support built in; later ones need a plug-in, which may be missing. */
function buildsWithBuildKit({ file, environment }: DockerClient): boolean {
  const version = answer(file, ["--version"], environment)?.match(/version (\d+)\./)?.[1];
  if (version === undefined) return false;
  return Number(version) < 23 || answer(file, ["buildx", "version"], environment) !== undefined;
}

/** Undefined if the program is missing or failed. */
function answer(file: string, args: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  const { status, stdout } = spawnSync(file, args, { env, encoding: "utf8", timeout: 10_000 });
  return status === 0 ? stdout : undefined;
}

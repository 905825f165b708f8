/**
 * Provides a container engine for tests: the one that already runs on this machine, or else a private one.
 *
 * The private engine has its own data, sockets and containerd, and no default bridge, so it affects the machine's
 * network only through networks created explicitly. Its data are kept, because images are expensive to fetch.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { settlesWithin } from "../../src/concurrency/settles-within.ts";
import { requireInstalled, type Requirement } from "./debian-packages.ts";
import { type DockerClient, findComposeCommand, findDockerClient } from "./docker-client.ts";
import { hasEnded } from "./has-ended.ts";

const startLimitMs = 60_000;
const stopLimitMs = 30_000;

export interface DockerEngine extends AsyncDisposable {
  /** The value of DOCKER_HOST for its clients. */
  readonly host: string;
  readonly client: DockerClient;
}

export interface DockerOptions {
  /** For the private engine's images, sockets and log; created if missing. */
  readonly directory: string;
}

export const dockerCompose: Requirement = {
  name: "Docker Compose",
  packages: ["docker-compose"],
  isInstalled: () => findComposeCommand() !== undefined,
};

/** In this order. An engine from elsewhere is kept; Debian's package would replace it. */
export const dockerRequirements: readonly Requirement[] = [
  { name: "Docker", packages: ["docker.io"], isInstalled: () => engineProgram() !== undefined },
  {
    name: "a Docker client that builds with BuildKit",
    packages: ["docker-cli", "docker-buildx"],
    isPerhapsIncluded: true,
    isInstalled: () => findDockerClient() !== undefined,
  },
  dockerCompose,
];

/** Resolves once the engine answers. Disposing it stops it if this call started it. */
export async function provideDocker({ directory }: DockerOptions): Promise<DockerEngine> {
  const client = await requireDocker();
  const given = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  if (await answers(client, given)) return alreadyRunning(client, given);
  const host = `unix://${join(directory, "docker.sock")}`;
  if (await answers(client, host)) return alreadyRunning(client, host);
  return startPrivate(client, directory, host);
}

async function requireDocker(): Promise<DockerClient> {
  for (const requirement of dockerRequirements) await requireInstalled(requirement);
  const client = findDockerClient();
  if (client === undefined) throw new Error("the Docker client is gone, although it was found a moment ago");
  return client;
}

function engineProgram(): string | undefined {
  return ["/usr/sbin/dockerd", "/usr/bin/dockerd"].find((file) => existsSync(file));
}

function alreadyRunning(client: DockerClient, host: string): DockerEngine {
  return { host, client, [Symbol.asyncDispose]: async () => {} };
}

async function startPrivate(client: DockerClient, directory: string, host: string): Promise<DockerEngine> {
  if (process.getuid?.() !== 0) throw new Error("no Docker engine answers, and starting one needs root");
  await mkdir(directory, { recursive: true });
  const logPath = join(directory, "dockerd.log");
  const log = await open(logPath, "w");
  const child = launch(directory, host, log);
  await log.close();

  const deadline = performance.now() + startLimitMs;
  while (!(await answers(client, host))) {
    if (hasEnded(child) || performance.now() > deadline) {
      await stop(child);
      throw new Error(
        `the Docker engine did not start; its log ends:\n${(await readFile(logPath, "utf8")).slice(-3_000)}`,
      );
    }
    await delay(200);
  }
  return { host, client, [Symbol.asyncDispose]: async () => stop(child) };
}

function launch(directory: string, host: string, log: FileHandle): ChildProcess {
  const settings = {
    "--data-root": join(directory, "data"),
    // A short path, because sockets below it have long names and a socket's path is limited to 107 bytes.
    "--exec-root": join(directory, "run"),
    "--pidfile": join(directory, "dockerd.pid"),
    "--host": host,
    "--bridge": "none",
  };
  return spawn(engineProgram() ?? "dockerd", Object.entries(settings).flat(), {
    // Its own process group, so that Ctrl-C stops only the tests, which then stop the engine.
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  if (await settlesWithin(ended, stopLimitMs)) return;
  child.kill("SIGKILL");
  await ended;
}

async function answers({ file, environment }: DockerClient, host: string): Promise<boolean> {
  try {
    await promisify(execFile)(file, ["--host", host, "version"], { env: environment, timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

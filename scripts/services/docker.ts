/**
 * A container engine for tests: the one that this machine runs already, else a private one.
 *
 * The private engine has its own data, sockets and containerd, and no default bridge, so that it touches
 * the machine's network only for the networks that it is asked to make. Its data outlive it: images
 * are expensive, and are found again by the next run.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { settlesWithin } from "../../src/concurrency/settles-within.ts";
import { requireInstalled } from "./debian-packages.ts";
import { hasEnded } from "./has-ended.ts";

const startLimitMs = 60_000;
const stopLimitMs = 30_000;

export interface DockerEngine extends AsyncDisposable {
  /** What DOCKER_HOST must be for clients to reach it. */
  readonly host: string;
}

export interface DockerOptions {
  /** For the private engine: holds images, sockets and log; created if it is not there. */
  readonly directory: string;
}

/** Resolves once the engine answers. Disposing it stops it if this call started it. */
export async function provideDocker({ directory }: DockerOptions): Promise<DockerEngine> {
  await requireInstalled({
    name: "Docker",
    packages: ["docker.io", "docker-compose"],
    isInstalled: () => existsSync("/usr/sbin/dockerd") && existsSync("/usr/bin/docker-compose"),
  });
  const given = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  if (await answers(given)) return alreadyRunning(given);
  const host = `unix://${join(directory, "docker.sock")}`;
  if (await answers(host)) return alreadyRunning(host);
  return startPrivate(directory, host);
}

function alreadyRunning(host: string): DockerEngine {
  return { host, [Symbol.asyncDispose]: async () => {} };
}

async function startPrivate(directory: string, host: string): Promise<DockerEngine> {
  if (process.getuid?.() !== 0) throw new Error("no Docker engine answers, and starting one needs root");
  await mkdir(directory, { recursive: true });
  const logPath = join(directory, "dockerd.log");
  const log = await open(logPath, "w");
  const child = launch(directory, host, log);
  await log.close();

  const deadline = performance.now() + startLimitMs;
  while (!(await answers(host))) {
    if (hasEnded(child) || performance.now() > deadline) {
      await stop(child);
      throw new Error(
        `the Docker engine did not start; its log ends:\n${(await readFile(logPath, "utf8")).slice(-3_000)}`,
      );
    }
    await delay(200);
  }
  return { host, [Symbol.asyncDispose]: async () => stop(child) };
}

function launch(directory: string, host: string, log: FileHandle): ChildProcess {
  const settings = {
    "--data-root": join(directory, "data"),
    // Short, because the sockets below it have long names and a socket's path is at most 107 bytes.
    "--exec-root": join(directory, "run"),
    "--pidfile": join(directory, "dockerd.pid"),
    "--host": host,
    "--bridge": "none",
  };
  return spawn("/usr/sbin/dockerd", Object.entries(settings).flat(), {
    // Its own group: Ctrl-C ends the tests, and the tests end the engine.
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

async function answers(host: string): Promise<boolean> {
  try {
    await promisify(execFile)("docker", ["--host", host, "version"], { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

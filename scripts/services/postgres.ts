/**
 * A private PostgreSQL cluster with its own data directory and port, reachable only over loopback and as durable as
 * a real one (fsync and synchronous commit stay on, because tests check what survives).
 *
 * The postmaster is a direct child of this process and leads its own process group. If this process is root, it runs
 * as the user `postgres`, because PostgreSQL refuses to run as root; that user must be able to reach the data
 * directory.
 *
 * The data directory survives stop and kill, so a later start finds its databases.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { hasCode } from "../../src/errors/caught.ts";
import { isRunning } from "./is-running.ts";
import { settlesWithin } from "../../src/concurrency/settles-within.ts";
import { hasEnded } from "./has-ended.ts";
import { prepareCluster, superuser, type Cluster } from "./postgres-cluster.ts";

const startLimitMs = 60_000;
const stopLimitMs = 30_000;

export interface PostgresOptions {
  /** For data and log; created if missing. */
  readonly directory: string;
  readonly port: number;
  /** Additional server settings, "name=value"; they override those of every private cluster. */
  readonly settings?: readonly string[];
}

/** smart waits for clients to disconnect, fast disconnects them, immediate leaves recovery to the next start. */
export type StopMode = "smart" | "fast" | "immediate";

export interface PostgresServer extends AsyncDisposable {
  /** Connects as the superuser to the database `postgres`. */
  readonly url: string;
  /** The postmaster's process id; undefined while stopped. */
  readonly pid: number | undefined;
  /** Restarts it after stop or kill; resolves once it accepts connections. */
  start(): Promise<void>;
  /** Shuts it down and waits until it has ended. */
  stop(mode?: StopMode): Promise<void>;
  /** Kills the postmaster and every backend, as in a power failure. */
  kill(): Promise<void>;
}

/** Starts a cluster and resolves once it accepts connections; throws with the end of its log otherwise. */
export async function startPostgres({
  directory,
  port,
  settings = [],
}: PostgresOptions): Promise<PostgresServer> {
  const cluster = await prepareCluster(resolve(directory));
  let postmaster: ChildProcess | undefined;

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (postmaster === undefined) return;
    const ended = postmaster;
    postmaster = undefined;
    const exit = exitOf(ended);
    ended.kill(signal);
    if (await settlesWithin(exit, stopLimitMs)) return;
    await killAll(ended);
    await exit;
  }

  const server: PostgresServer = {
    url: `postgresql://${superuser}:${superuser}@127.0.0.1:${port}/postgres`,
    get pid() {
      return postmaster?.pid;
    },
    async start() {
      if (postmaster !== undefined) throw new Error(`the cluster in ${cluster.data} is running`);
      await stopForgotten(cluster);
      const started = await launch(cluster, port, settings);
      postmaster = started;
      if (await acceptsConnections(cluster, port, started)) return;
      await end("SIGQUIT");
      throw new Error(`could not start PostgreSQL in ${cluster.data}:\n${await endOfLog(cluster)}`);
    },
    stop: (mode = "fast") => end(stopSignals[mode]),
    async kill() {
      if (postmaster === undefined) return;
      const killed = postmaster;
      postmaster = undefined;
      const exit = exitOf(killed);
      await killAll(killed);
      await exit;
    },
    [Symbol.asyncDispose]: () => end("SIGINT"),
  };
  await server.start();
  return server;
}

const stopSignals: Readonly<Record<StopMode, NodeJS.Signals>> = {
  smart: "SIGTERM",
  fast: "SIGINT",
  immediate: "SIGQUIT",
};

/** Stops a postmaster left behind by a killed process, which still locks the data directory. */
async function stopForgotten({ programs, data, identity }: Cluster): Promise<void> {
  if (!existsSync(join(data, "postmaster.pid"))) return;
  const args = ["stop", "--pgdata", data, "--mode", "fast", "--wait", "--timeout", `${stopLimitMs / 1_000}`];
  // Fails if the pid file is stale; PostgreSQL then replaces it.
  await promisify(execFile)(join(programs, "pg_ctl"), args, { ...identity, cwd: "/" }).catch(() => undefined);
}

async function launch(
  { programs, data, log, identity }: Cluster,
  port: number,
  further: readonly string[],
): Promise<ChildProcess> {
  await using output = await open(log, "a");
  const settings = [
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=on",
    "synchronous_commit=on",
    ...further,
  ];
  const child = spawn(join(programs, "postgres"), ["-D", data, ...settings.flatMap((each) => ["-c", each])], {
    ...identity,
    cwd: "/",
    detached: true,
    stdio: ["ignore", output.fd, output.fd],
  });
  await once(child, "spawn");
  child.unref();
  return child;
}

async function acceptsConnections(
  { programs }: Cluster,
  port: number,
  child: ChildProcess,
): Promise<boolean> {
  const deadline = performance.now() + startLimitMs;
  while (performance.now() < deadline && !hasEnded(child)) {
    const asked = promisify(execFile)(join(programs, "pg_isready"), [
      "-q",
      "-h",
      "127.0.0.1",
      "-p",
      `${port}`,
    ]);
    if (
      await asked.then(
        () => true,
        () => false,
      )
    )
      return !hasEnded(child);
    await delay(50);
  }
  return false;
}

/** Kills backends too, because they notice a dead postmaster only when they next wait. */
async function killAll(postmaster: ChildProcess): Promise<void> {
  const { pid } = postmaster;
  if (pid === undefined || hasEnded(postmaster)) return;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const backends = children
    .split(" ")
    .filter((each) => each !== "")
    .map(Number);
  postmaster.kill("SIGKILL");
  for (const backend of backends) killIfThere(backend);
  // While any backend is alive, the shared memory is in use and no new postmaster starts.
  const deadline = performance.now() + stopLimitMs;
  while (backends.some((backend) => isRunning(backend)) && performance.now() < deadline) await delay(10);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) await once(child, "exit");
}

async function endOfLog({ log }: Cluster): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "");
  return text.split("\n").slice(-20).join("\n");
}

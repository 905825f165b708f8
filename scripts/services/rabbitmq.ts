/**
 * A private RabbitMQ server with its own node name, data, log, ports and epmd, reachable only over loopback.
 *
 * It runs Debian's server program directly instead of the service wrapper, so it needs no particular user and does
 * not affect a broker that already runs on the machine. The Erlang VM is a direct child of this process and leads its
 * own process group, so it keeps running after this process ends unless stopped.
 *
 * The data directory survives stop and kill, so a later start finds its durable queues.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Requirement } from "./debian-packages.ts";
import { freePort } from "./free-port.ts";
import { hasEnded } from "./has-ended.ts";

const programs = "/usr/lib/rabbitmq/bin";
const credentials = "attune:attune";
const startLimitMs = 120_000;
const stopLimitMs = 30_000;

export interface RabbitmqOptions {
  /** For configuration, data and log; created if missing. */
  readonly directory: string;
  readonly port: number;
  readonly managementPort: number;
  /** Additional lines for rabbitmq.conf. */
  readonly configuration?: readonly string[];
}

export interface RabbitmqServer extends AsyncDisposable {
  /** amqp://attune:attune@127.0.0.1:port */
  readonly url: string;
  readonly managementUrl: string;
  /** The Erlang VM's process id, also in `rabbitmq.pid` in the directory; undefined while stopped. */
  readonly pid: number | undefined;
  /** Restarts it after stop or kill; resolves once it accepts connections. */
  start(): Promise<void>;
  /** Shuts it down and waits until it has ended. */
  stop(): Promise<void>;
  /** Kills it, as in a power failure. */
  kill(): Promise<void>;
  /** Runs rabbitmqctl against it and resolves to its output. */
  control(...args: readonly string[]): Promise<string>;
}

export const rabbitmq: Requirement = {
  name: "RabbitMQ",
  packages: ["rabbitmq-server"],
  isInstalled: () => existsSync(join(programs, "rabbitmq-server")),
};

/** Starts a server and resolves once it accepts connections; throws with the end of its log otherwise. */
export async function startRabbitmq(options: RabbitmqOptions): Promise<RabbitmqServer> {
  const { port, managementPort } = options;
  const directory = resolve(options.directory);
  const managementUrl = `http://${credentials}@127.0.0.1:${managementPort}`;
  const environment = await prepare({ ...options, directory });
  let child: ChildProcess | undefined;

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined) return;
    const ended = child;
    child = undefined;
    if (!hasEnded(ended)) ended.kill(signal);
    if (!(await endsWithin(ended, stopLimitMs))) ended.kill("SIGKILL");
    await until(() => hasEnded(ended), stopLimitMs, "the server did not end");
    await endEpmd(environment);
  }

  const server: RabbitmqServer = {
    url: `amqp://${credentials}@127.0.0.1:${port}`,
    managementUrl,
    get pid() {
      return child?.pid;
    },
    async start() {
      if (child !== undefined) throw new Error(`the server in ${directory} is running`);
      const started = await launch(directory, environment);
      child = started;
      try {
        await until(() => isReady(managementUrl, started), startLimitMs, "the server did not become ready");
      } catch (error) {
        await end("SIGKILL");
        throw new Error(`could not start RabbitMQ in ${directory}:\n${await endOfLog(directory)}`, {
          cause: error,
        });
      }
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    async control(...args) {
      const { stdout } = await promisify(execFile)(join(programs, "rabbitmqctl"), args, { env: environment });
      return stdout;
    },
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
  await server.start();
  return server;
}

async function prepare({
  directory,
  port,
  managementPort,
  configuration = [],
}: RabbitmqOptions): Promise<NodeJS.ProcessEnv> {
  await mkdir(join(directory, "data"), { recursive: true });
  await mkdir(join(directory, "log"), { recursive: true });
  await writeFile(join(directory, "enabled_plugins"), "[rabbitmq_management].\n");
  await writeFile(
    join(directory, "rabbitmq.conf"),
    [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      "management.tcp.ip = 127.0.0.1",
      `management.tcp.port = ${managementPort}`,
      "default_user = attune",
      "default_pass = attune",
      "default_user_tags.administrator = true",
      "disk_free_limit.absolute = 50MB",
      ...configuration,
      "",
    ].join("\n"),
  );
  return {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    // Erlang keeps its cookie in the home directory.
    HOME: directory,
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_EPMD_PORT: String(await freePort()),
    RABBITMQ_NODENAME: `attune-${port}@localhost`,
    RABBITMQ_CONF_ENV_FILE: "/dev/null",
    RABBITMQ_CONFIG_FILE: join(directory, "rabbitmq.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, "enabled_plugins"),
    RABBITMQ_MNESIA_BASE: join(directory, "data"),
    RABBITMQ_LOG_BASE: join(directory, "log"),
    RABBITMQ_PID_FILE: join(directory, "rabbitmq.pid"),
    RABBITMQ_DIST_PORT: String(await freePort()),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    // Makes the start script exec the Erlang VM instead of waiting for it.
    RABBITMQ_ALLOW_INPUT: "true",
  };
}

async function launch(directory: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  await using output = await open(join(directory, "log", "console.log"), "a");
  const child = spawn(join(programs, "rabbitmq-server"), ["-noinput"], {
    cwd: directory,
    env,
    detached: true,
    stdio: ["ignore", output.fd, output.fd],
  });
  child.unref();
  const spawned = Promise.withResolvers<void>();
  child.once("spawn", spawned.resolve).once("error", spawned.reject);
  await spawned.promise;
  return child;
}

/** This epmd is private. It refuses to end until it has noticed that its last node is gone. */
async function endEpmd(env: NodeJS.ProcessEnv): Promise<void> {
  const isGone = async (): Promise<boolean> => {
    await promisify(execFile)("epmd", ["-kill"], { env }).catch(() => undefined);
    return promisify(execFile)("epmd", ["-names"], { env }).then(
      () => false,
      () => true,
    );
  };
  await until(isGone, stopLimitMs, "its epmd did not end");
}

async function isReady(managementUrl: string, child: ChildProcess): Promise<boolean> {
  if (hasEnded(child)) throw new Error("the server ended while it was starting");
  const { origin, username, password } = new URL(managementUrl);
  const authorization = `Basic ${btoa(`${username}:${password}`)}`;
  try {
    // The listeners open last; this check passes once all of them are open.
    const response = await fetch(`${origin}/api/health/checks/protocol-listener/amqp091`, {
      headers: { authorization },
      signal: AbortSignal.timeout(5_000),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function endsWithin(child: ChildProcess, ms: number): Promise<boolean> {
  return until(() => hasEnded(child), ms, "").then(
    () => true,
    () => false,
  );
}

async function until(isTrue: () => boolean | Promise<boolean>, ms: number, complaint: string): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`${complaint} within ${ms / 1000} s`);
    await delay(100);
  }
}

async function endOfLog(directory: string): Promise<string> {
  const log = await readFile(join(directory, "log", "console.log"), "utf8").catch(() => "");
  return log.split("\n").slice(-20).join("\n");
}

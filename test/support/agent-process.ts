/**
 * The agent as a real process, for tests that crash it and for benchmarks that measure it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, open, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../../scripts/repository.ts";
import { freePort } from "../../scripts/services/free-port.ts";
import { hasEnded } from "../../scripts/services/has-ended.ts";
import { settlesWithin } from "../../src/concurrency/settles-within.ts";
import { signingSecret } from "./tokens.ts";

const stopLimitMs = 60_000;

export interface AgentFolder extends AsyncDisposable {
  readonly path: string;
  readonly configPath: string;
  readonly logPath: string;
  readonly apiUrl: string;
}

export interface AgentSettings {
  readonly databaseUrl: string | undefined;
  readonly brokerUrl: string | undefined;
  readonly packsDirectory: string;
  readonly workerName: string;
  /** Merged into the sections of these names. */
  readonly sensor?: Readonly<Record<string, unknown>>;
  readonly database?: Readonly<Record<string, unknown>>;
  readonly messageQueue?: Readonly<Record<string, unknown>>;
}

/** A folder with a configuration; several processes may be started in it, one after the other. */
export async function agentFolder(settings: AgentSettings): Promise<AgentFolder> {
  const directory = await mkdtempDisposable(join(tmpdir(), "attune-agent-"));
  const { path } = directory;
  const configPath = join(path, "config.yaml");
  const port = await freePort();
  const config = {
    database: settings.databaseUrl === undefined ? {} : { url: settings.databaseUrl, ...settings.database },
    message_queue:
      settings.brokerUrl === undefined ? {} : { url: settings.brokerUrl, ...settings.messageQueue },
    api: { port },
    security: { jwt_secret: signingSecret },
    packs_base_dir: settings.packsDirectory,
    runtime_envs_dir: join(path, "runtime_envs"),
    artifacts_dir: join(path, "artifacts"),
    data_dir: join(path, "data"),
    logs_dir: join(path, "logs"),
    sensor: { worker_name: settings.workerName, ...settings.sensor },
  };
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify(config, null, 2));
  return {
    path,
    configPath,
    logPath: join(path, "agent.log"),
    apiUrl: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

export interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  /** Exit code or signal, once it has ended. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
  /** Throws with the end of the agent's log when it has ended. */
  assertRunning(): Promise<void>;
}

export interface AgentStart {
  readonly environment?: Readonly<Record<string, string>>;
  /** Instead of the sources. */
  readonly command?: { readonly file: string; readonly args: readonly string[] };
}

const sources = { file: process.execPath, args: [join(repositoryRoot, "src/main.ts")] };

/** Starts the agent; disposing stops it as an operator would, and kills it if it does not. */
export async function startAgent(
  { configPath, logPath }: AgentFolder,
  { environment = {}, command: { file, args } = sources }: AgentStart = {},
): Promise<AgentProcess> {
  await using log = await open(logPath, "a");
  const agent = spawn(file, [...args, "--config", configPath], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", log.fd, log.fd],
  });
  const ended = once(agent, "exit").then(() => agent.exitCode ?? agent.signalCode ?? 0);
  await once(agent, "spawn");
  return {
    pid: agent.pid ?? 0,
    ended,
    kill: (signal) => void agent.kill(signal),
    async assertRunning() {
      if (!hasEnded(agent)) return;
      const lines = (await readFile(logPath, "utf8")).split("\n");
      throw new Error(`the agent ended with ${await ended}:\n${lines.slice(-20).join("\n")}`);
    },
    async [Symbol.asyncDispose]() {
      // A frozen process hears nothing but SIGKILL and SIGCONT.
      agent.kill("SIGCONT");
      agent.kill("SIGTERM");
      if (!hasEnded(agent) && !(await settlesWithin(ended, stopLimitMs))) agent.kill("SIGKILL");
      await ended;
    },
  };
}

/** Waits until the agent is ready. Throws with its log if it ends first, and with its health if it takes too long. */
export async function ready(agent: AgentProcess, { apiUrl }: AgentFolder, limitMs = 60_000): Promise<void> {
  const deadline = AbortSignal.timeout(limitMs);
  for (;;) {
    const answer = await readiness(apiUrl);
    if (answer === "ready") return;
    await agent.assertRunning();
    if (deadline.aborted) throw new Error(`the agent was not ready within ${limitMs} ms: ${answer}`);
    await settlesWithin(agent.ended, 10);
  }
}

/** The value of the metric's first series; NaN while there is none. */
export async function metric({ apiUrl }: AgentFolder, name: string): Promise<number> {
  const text = await (await fetch(`${apiUrl}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}

/** @returns "ready", or why the agent is not */
async function readiness(apiUrl: string): Promise<string> {
  try {
    const response = await fetch(`${apiUrl}/health/ready`);
    const text = await response.text();
    return response.ok ? "ready" : text;
  } catch (error) {
    return `its API does not answer (${String(error)})`;
  }
}

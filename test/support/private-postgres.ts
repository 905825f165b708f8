/**
 * A PostgreSQL server of its own for a test that stops, kills or restarts it.
 *
 * Uses the server programs of this machine, newest version first; as root it runs them as `postgres`,
 * since the server refuses to run as root.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";

export interface PrivatePostgres extends AsyncDisposable {
  /** Of a database with nothing in it, as superuser. */
  readonly url: string;
  readonly port: number;
  /** Ends every connection and waits until the server has gone. */
  stop(): Promise<void>;
  /** As a crash would: nothing is flushed or told. */
  kill(): Promise<void>;
  /** Resolves once it accepts connections. */
  start(): Promise<void>;
}

export async function startPrivatePostgres(): Promise<PrivatePostgres> {
  const programs = serverPrograms();
  const owner = ownerIds();
  const directory = mkdtempSync(join(tmpdir(), "attune-postgres-"));
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid);
  const data = join(directory, "data");
  execFileSync(
    join(programs, "initdb"),
    ["--pgdata", data, "--username", "attune", "--auth", "trust", "--no-sync", "--encoding", "UTF8"],
    { ...owner, cwd: directory, stdio: "ignore" },
  );
  const port = await freePort();
  const url = `postgresql://attune@127.0.0.1:${port}/postgres`;
  let server: ChildProcess | undefined;

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server === undefined) return;
    const exit = once(server, "exit");
    server.kill(signal);
    await exit;
    server = undefined;
  };
  const start = async (): Promise<void> => {
    const settings = [`port=${port}`, "listen_addresses=127.0.0.1", `unix_socket_directories=${directory}`];
    server = spawn(
      join(programs, "postgres"),
      ["-D", data, ...settings.flatMap((setting) => ["-c", setting])],
      {
        ...owner,
        cwd: directory,
        stdio: "ignore",
      },
    );
    await accepting(url);
  };
  await start();

  return {
    url,
    port,
    start,
    stop: () => end("SIGINT"), // "Fast" shutdown; SIGTERM would wait for the clients.
    kill: () => end("SIGKILL"),
    async [Symbol.asyncDispose]() {
      await end("SIGQUIT");
      rmSync(directory, { recursive: true });
    },
  };
}

function serverPrograms(): string {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).toSorted((a, b) => Number(b) - Number(a)) : [];
  const found = versions
    .map((version) => join(root, version, "bin"))
    .find((bin) => existsSync(join(bin, "initdb")));
  if (found !== undefined) return found;
  return execFileSync("pg_config", ["--bindir"], { encoding: "utf8" }).trim();
}

function ownerIds(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return { uid: idOfPostgres("-u"), gid: idOfPostgres("-g") };
}

function idOfPostgres(flag: "-u" | "-g"): number {
  return Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
}

async function freePort(): Promise<number> {
  const listener = createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  listener.close();
  await once(listener, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** By logging in: the server listens before it has recovered, and refuses until it has. */
async function accepting(url: string): Promise<void> {
  const limitMs = performance.now() + 30_000;
  for (;;) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (performance.now() > limitMs) throw error;
      await delay(20);
    }
  }
}

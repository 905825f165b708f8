import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../scripts/services/free-port.ts";

/** PgBouncer in front of a database; lets every startup parameter pass unheeded. */
export async function startPgbouncer(
  databaseUrl: string,
  poolMode: "session" | "transaction" | "statement",
): Promise<{ readonly url: string } & AsyncDisposable> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const folder = mkdtempSync(join(tmpdir(), "attune-pgbouncer-"));
  chmodSync(folder, 0o755);
  const ownPort = await freePort();
  const configuration = join(folder, "pgbouncer.ini");
  writeFileSync(
    configuration,
    `[databases]
* = host=${hostname} port=${port} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${ownPort}
unix_socket_dir =
auth_type = any
pool_mode = ${poolMode}
ignore_startup_parameters = options,extra_float_digits
`,
  );
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const pooler = spawn("/usr/sbin/pgbouncer", [...user, configuration], { stdio: "ignore" });
  const ended = once(pooler, "exit");
  while (pooler.exitCode === null && !(await listens(ownPort))) await sleep(20);
  if (pooler.exitCode !== null) throw new Error(`pgbouncer ended with code ${pooler.exitCode}`);
  return {
    url: `postgresql://${username}@127.0.0.1:${ownPort}${pathname}`,
    async [Symbol.asyncDispose]() {
      pooler.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

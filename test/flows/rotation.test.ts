/**
 * Goal: the passwords of database and broker are changed under a running agent, and no event is lost or doubled.
 * Method: a login of its own at each server, whose URLs come from files. A sensor counts throughout, while the passwords
 * change in every order, the files are rewritten, and all connections are ended so that the agent has to log in again.
 */
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { asSuperuser, freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { freshVhost, type FreshVhost } from "../support/rabbitmq.ts";
import { startCounting } from "../support/counting.ts";

/** A login whose password can be changed, and whose connections can be ended, at one server. */
interface Login extends AsyncDisposable {
  /** With the password that was set last. */
  readonly url: () => string;
  setPassword(password: string): Promise<void>;
  endConnections(): Promise<void>;
}

test(
  "passwords are rotated while events flow, without losing or duplicating any",
  { timeout: 240_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    await using database = await databaseLogin(fresh);
    await using broker = await brokerLogin(vhost);
    const logins = [database, broker];
    await using counting = await startCounting({
      database: fresh.database,
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
    });
    const folder = await counting.folder("rotating");
    const files = { database: join(folder.path, "database-url"), broker: join(folder.path, "broker-url") };
    const rewriteFiles = async (): Promise<void> => {
      await replaceFile(files.database, database.url());
      await replaceFile(files.broker, broker.url());
    };
    const passwords: string[] = [];
    const changePasswords = async (): Promise<void> => {
      const password = randomBytes(12).toString("hex");
      passwords.push(password);
      for (const login of logins) await login.setPassword(password);
    };
    const endConnections = async (): Promise<void> => {
      for (const login of logins) await login.endConnections();
    };
    await changePasswords();
    await rewriteFiles();
    await using agent = await startAgent(folder, {
      environment: {
        ATTUNE__DATABASE__URL_FILE: files.database,
        ATTUNE__MESSAGE_QUEUE__URL_FILE: files.broker,
      },
    });
    await ready(agent, folder);
    await counting.progress();

    // As the page on configuration says it: the passwords, then the files.
    await changePasswords();
    await counting.progress();
    await rewriteFiles();
    await endConnections();
    await ready(agent, folder);
    await counting.progress();

    // The agent has to log in between the two.
    await changePasswords();
    await endConnections();
    await expect.poll(() => statesOf(folder), { timeout: 30_000 }).toEqual(["down", "down"]);
    await rewriteFiles();
    await ready(agent, folder, 60_000);
    await counting.progress();

    // The files first.
    const before = await Promise.all(Object.values(files).map(async (file) => readFile(file, "utf8")));
    await changePasswords();
    await rewriteFiles();
    const after = passwords.at(-1) ?? "";
    for (const [index, login] of logins.entries()) await login.setPassword(passwordOf(before[index]));
    await endConnections();
    await expect.poll(() => statesOf(folder), { timeout: 30_000 }).toEqual(["down", "down"]);
    for (const login of logins) await login.setPassword(after);
    await ready(agent, folder, 60_000);
    await counting.progress();

    await counting.finish();
    await agent.assertRunning();
    await counting.expectNothingLostOrDoubled();
    const log = await readFile(folder.logPath, "utf8");
    expect(log.match(/registered worker/g)).toHaveLength(1);
    for (const password of passwords) expect(log).not.toContain(password);
  },
);

/** Atomically, as a kubelet does it. */
async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function statesOf({ apiUrl }: AgentFolder): Promise<readonly unknown[]> {
  const { parts } = (await (await fetch(`${apiUrl}/health`)).json()) as {
    parts: Record<string, { state: unknown }>;
  };
  return [parts["database"]?.state, parts["broker"]?.state];
}

function passwordOf(url: string | undefined): string {
  return new URL(url ?? "").password;
}

async function databaseLogin(fresh: FreshDatabase): Promise<Login> {
  const role = `attune_rotating_${randomBytes(4).toString("hex")}`;
  const url = new URL(fresh.url);
  url.username = role;
  url.password = "";
  const owner = new URL(fresh.url).username;
  await asSuperuser((client) => client.query(`create role ${role} login in role ${owner}`));
  return {
    url: () => url.href,
    async setPassword(password) {
      await asSuperuser((client) => client.query(`alter role ${role} password '${password}'`));
      url.password = password;
    },
    async endConnections() {
      const end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1";
      await asSuperuser((client) => client.query(end, [role]));
    },
    [Symbol.asyncDispose]: () =>
      asSuperuser(async (client) => void (await client.query(`drop role ${role}`))),
  };
}

async function brokerLogin(vhost: FreshVhost): Promise<Login> {
  const user = `attune-rotating-${randomBytes(4).toString("hex")}`;
  const url = new URL(vhost.url);
  url.username = user;
  const setPassword = async (password: string): Promise<void> => {
    await vhost.manage("PUT", `/api/users/${user}`, { password, tags: "" });
    url.password = password;
  };
  await setPassword("first");
  const everything = { configure: ".*", write: ".*", read: ".*" };
  await vhost.manage("PUT", `/api/permissions/{vhost}/${user}`, everything);
  return {
    url: () => url.href,
    setPassword,
    async endConnections() {
      await vhost.manage("DELETE", `/api/connections/username/${user}`);
    },
    [Symbol.asyncDispose]: async () => void (await vhost.manage("DELETE", `/api/users/${user}`)),
  };
}

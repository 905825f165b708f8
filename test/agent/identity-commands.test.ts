/** `identity …` and `token create` as a person calls them, on a database and through an agent that holds an embedded one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { LocalAccess } from "../../src/files/local-access.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { emptyDatabase, freshDatabase } from "../support/postgres.ts";

const limitMs = 240_000;

interface Called {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function call(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  input = "",
): Promise<Called> {
  const child = spawn(process.execPath, [join(repositoryRoot, "src/main.ts"), ...args], {
    env: { PATH: process.env["PATH"], ATTUNE__LOG__LEVEL: "error", ...environment },
    stdio: "pipe",
  });
  child.stdin.on("error", () => {}).end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode ?? -1, stdout, stderr };
}

test("identities are managed on a database that no agent has used before", async () => {
  await using empty = await emptyDatabase();
  const on = { DATABASE_URL: empty.url };

  expect(await call(["identity", "list"], on)).toMatchObject({ code: 0, stdout: "none\n" });
  expect(await call(["identity", "add", "ada", "--role", "admin"], on, "correct horse\n")).toMatchObject({
    code: 0,
    stdout: "added ada with the role admin\n",
  });
  expect(await call(["identity", "add", "ada", "--role", "viewer"], on, "correct horse\n")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("[CONFLICT]") as string,
  });
  expect(await call(["identity", "password", "ada"], on, "battery staple\n")).toMatchObject({ code: 0 });
  expect(await call(["identity", "password", "bob"], on, "battery staple\n")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("there is no identity with that login") as string,
  });
  expect(await call(["identity", "list"], on)).toMatchObject({ stdout: "ada  admin   password\n" });
  const removed = await call(["--format", "json", "identity", "remove", "ada"], on);
  expect(JSON.parse(removed.stdout)).toEqual({ login: "ada", done: "remove" });
  expect(await call(["identity", "list"], on)).toMatchObject({ stdout: "none\n" });
}, 240_000);

test.each([
  { what: "too short", args: ["identity", "add", "ada", "--role", "admin"], input: "short\n", code: 1 },
  { what: "missing", args: ["identity", "add", "ada", "--role", "admin"], input: "", code: 1 },
  {
    what: "an argument",
    args: ["identity", "add", "ada", "hunter22222", "--role", "admin"],
    input: "",
    code: 2,
  },
  {
    what: "of a sensor",
    args: ["identity", "add", "sensor:x", "--role", "admin"],
    input: "correct horse\n",
    code: 1,
  },
  { what: "without a role", args: ["identity", "add", "ada"], input: "correct horse\n", code: 2 },
])(
  "a password that is $what is refused before a database is asked",
  async ({ args, input, code }) => {
    const called = await call(args, { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/x" }, input);

    expect(called).toMatchObject({ code, stdout: "" });
    expect(called.stderr).not.toContain("[DATABASE_UNREACHABLE]");
  },
  60_000,
);

test(
  "an agent accepts the tokens that are made on its database, until their identity is removed",
  async () => {
    await using fresh = await freshDatabase();
    await using folder = await folderFor(fresh.url);
    await using agent = await startAgent(folder);
    await ready(agent, folder, 60_000);
    const on = { ATTUNE_CONFIG: folder.configPath };

    const created = await call(
      ["token", "create", "--role", "viewer", "--service", "ci", "--ttl", "600"],
      on,
    );
    const token = created.stdout.trim();

    expect(created).toMatchObject({ code: 0, stderr: "" });
    expect(await statusOf(folder.apiUrl, token)).toBe(200);
    expect(await call(["identity", "remove", "service:ci"], on)).toMatchObject({ code: 0 });
    await expect.poll(() => statusOf(folder.apiUrl, token), { timeout: 10_000 }).toBe(401);
  },
  limitMs,
);

// Goal: commands work while the embedded database is in use. Method: the agent's own file, read as a command does.
test(
  "an agent leaves its address and a token for this machine's user, and takes them back",
  async () => {
    await using folder = await folderFor(undefined);
    const path = join(folder.path, "data/agent.json");
    const on = { ATTUNE_CONFIG: folder.configPath };
    {
      await using agent = await startAgent(folder);
      await ready(agent, folder, 120_000);
      await expect
        .poll(
          () =>
            stat(path).then(
              ({ mode }) => mode & 0o777,
              () => 0,
            ),
          { timeout: 30_000 },
        )
        .toBe(0o600);

      const { url, token } = JSON.parse(await readFile(path, "utf8")) as LocalAccess;
      expect(url).toBe(folder.apiUrl);
      expect(await statusOf(url, token)).toBe(200);
      expect(await call(["identity", "add", "ada", "--role", "viewer"], on, "correct horse\n")).toMatchObject(
        {
          code: 0,
        },
      );
      expect(await call(["identity", "list"], on)).toMatchObject({
        stdout: "ada    viewer  password\nagent  admin   tokens only\n",
      });
      const created = await call(["token", "create", "--role", "viewer"], on);
      expect(await statusOf(url, created.stdout.trim())).toBe(200);
      expect(await call(["identity", "remove", "ada"], on)).toMatchObject({ code: 0 });
      expect(await call(["workers", "list"], on)).toMatchObject({ code: 0 });
    }

    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  },
  limitMs,
);

test(
  "a stopped agent's token is revoked, and a killed agent's file is not trusted",
  async () => {
    await using fresh = await freshDatabase();
    await using folder = await folderFor(fresh.url);
    const path = join(folder.path, "data/agent.json");
    let stopped = "";
    {
      await using agent = await startAgent(folder);
      await ready(agent, folder, 60_000);
      await expect.poll(() => readFile(path, "utf8").catch(() => ""), { timeout: 30_000 }).not.toBe("");
      stopped = (JSON.parse(await readFile(path, "utf8")) as LocalAccess).token;
    }
    expect(await query(fresh.database, "select from revoked_token")).toHaveLength(1);
    await using agent = await startAgent(folder);
    await ready(agent, folder, 60_000);
    await expect.poll(() => readFile(path, "utf8").catch(() => ""), { timeout: 30_000 }).not.toBe("");
    expect(await statusOf(folder.apiUrl, stopped)).toBe(401);

    agent.kill("SIGKILL");
    await agent.ended;

    const called = await call(["workers", "list"], { ATTUNE_CONFIG: folder.configPath });
    expect(called.code).toBe(1);
    expect(called.stderr).toContain("no agent with this configuration runs on this machine");
  },
  limitMs,
);

async function folderFor(databaseUrl: string | undefined): Promise<AgentFolder> {
  return await agentFolder({
    databaseUrl,
    brokerUrl: undefined,
    packsDirectory: join(repositoryRoot, "packs"),
    workerName: "local",
  });
}

async function statusOf(url: string, token: string): Promise<number> {
  return (await fetch(`${url}/api/v1/workers`, { headers: { authorization: `Bearer ${token}` } })).status;
}

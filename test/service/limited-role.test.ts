/**
 * Goal: the output of `migrate --print-grants` suffices for an agent, and a start needs all of it.
 * Method: a role that owns nothing and is granted exactly the printed statements, through psql, and a user of the broker with
 * exactly the printed permissions, run agents through a failover, a kill and a takeover.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { printGrants } from "../../src/agent/commands/print-grants.ts";
import { loadPacks } from "../../src/agent/commands/packs-load.ts";
import { doctor } from "../../src/agent/commands/doctor.ts";
import type { Invocation } from "../../src/agent/invocation.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { asSuperuser, freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { freshVhost, type FreshVhost } from "../support/rabbitmq.ts";
import { startCounting } from "../support/counting.ts";

const execute = promisify(execFile);

/** A login that may do nothing in the database, not even what everybody may. */
async function strangerTo({ url }: FreshDatabase): Promise<{ readonly role: string; readonly url: string }> {
  const role = `attune_test_${randomBytes(4).toString("hex")}`;
  const { pathname } = new URL(url);
  await asSuperuser(
    (client) =>
      client.query(
        `create role ${role} login password 'secret';
         revoke all on database ${pathname.slice(1)} from public;
         revoke all on schema public from public`,
      ),
    url,
  );
  onTestFinished(() => asSuperuser(async (client) => void (await client.query(`drop role ${role}`))));
  const own = new URL(url);
  own.username = role;
  own.password = "secret";
  return { role, url: own.href };
}

function printed(
  command: (invocation: Invocation) => unknown,
): (databaseUrl: string, brokerUrl?: string) => Promise<string> {
  return async (databaseUrl, brokerUrl) => {
    let text = "";
    await command({
      environment: { DATABASE_URL: databaseUrl, ...(brokerUrl && { ATTUNE_MQ_URL: brokerUrl }) },
      configPath: undefined,
      workerName: undefined,
      format: "text",
      print: (more) => (text += more),
      complain: () => {},
    });
    return text;
  };
}

const grantsFor = printed((invocation) => printGrants(invocation, undefined));
const diagnosisOf = printed(doctor);

async function applyWithPsql(ownerUrl: string, text: string): Promise<void> {
  const psql = execute("psql", ["--quiet", "--set", "ON_ERROR_STOP=1", ownerUrl]);
  psql.child.stdin?.end(text);
  await psql;
}

/** A user of the broker with the permissions of the printed command. */
async function limitedUser(vhost: FreshVhost): Promise<{
  readonly url: string;
  /** The others replace printed ones. */
  allow(grants: string, others?: Readonly<Record<string, string>>): Promise<void>;
}> {
  const user = `attune_test_${randomBytes(4).toString("hex")}`;
  await vhost.manage("PUT", `/api/users/${user}`, { password: "secret", tags: "" });
  onTestFinished(async () => void (await vhost.manage("DELETE", `/api/users/${user}`)));
  const url = new URL(vhost.url);
  url.username = user;
  url.password = "secret";
  return {
    url: url.href,
    async allow(grants, others = {}) {
      const [, name, configure, write, read] =
        /set_permissions -p '\S+' '(\S+)' '(\S+)' '(\S+)' '(\S+)'$/m.exec(grants) ?? [];
      expect(name).toBe(user);
      await vhost.manage("PUT", `/api/permissions/{vhost}/${user}`, { configure, write, read, ...others });
    },
  };
}

const shortLease = { lease_duration: 2, lease_renewal_interval: 0.5 };

test(
  "with the printed rights two agents survive a failover, a kill and a takeover without losing or duplicating events",
  { timeout: 180_000 },
  async () => {
    await using vhost = await freshVhost();
    await using fresh = await freshDatabase();
    const stranger = await strangerTo(fresh);
    const user = await limitedUser(vhost);
    const grants = await grantsFor(stranger.url, user.url);
    await applyWithPsql(fresh.url, grants);
    await user.allow(grants);
    await using counting = await startCounting({
      database: fresh.database,
      databaseUrl: stranger.url,
      brokerUrl: vhost.url,
      agentBrokerUrl: user.url,
    });
    const folders = [
      await counting.folder("one", shortLease),
      await counting.folder("two", shortLease),
    ] as const;
    const owner = (): Promise<object[]> =>
      query(
        fresh.database,
        "select worker.name from sensor_assignment join worker on worker.id = sensor_assignment.worker",
      );
    // As after a failover: the agent has to move the sequences on.
    await query(fresh.database, "update installation set server = '7000000000000000000/00000001'");

    await using one = await startAgent(folders[0]);
    await counting.progress();
    await using two = await startAgent(folders[1]);
    await ready(two, folders[1], 60_000);
    expect(await diagnosisOf(stranger.url, user.url)).toMatch(/^✓ rights +sufficient for a running agent$/m);
    one.kill("SIGKILL");
    await one.ended;
    await expect.poll(owner, { timeout: 30_000 }).toEqual([{ name: "two" }]);
    await counting.progress();

    await counting.finish();
    await counting.expectNothingLostOrDoubled();
    const [event] = await query<{ id: string }>(fresh.database, "select min(id) as id from event");
    expect(Number(event?.id)).toBeGreaterThan(1_000_000_000);
    for (const { logPath } of folders) {
      const log = await readFile(logPath, "utf8");
      expect(log).not.toMatch(/permission denied|ACCESS_REFUSED|does not identify itself/);
    }
  },
);

test.each([
  ["usage on schema attune", /permission denied for schema attune/],
  ["select on attune.schema_migration", /permission denied for table schema_migration/],
  ["insert on attune.event", /the role \w+ lacks insert on event/],
  ["update on sequence attune.event_id_seq", /the role \w+ lacks update on event_id_seq/],
])("without %s the start fails with a line that names it, and doctor names it", async (right, words) => {
  await using fresh = await freshDatabase();
  const stranger = await strangerTo(fresh);
  await applyWithPsql(fresh.url, await grantsFor(stranger.url));
  await asSuperuser((client) => client.query(`revoke ${right} from ${stranger.role}`), fresh.url);
  await using folder = await agentFolder({
    databaseUrl: stranger.url,
    brokerUrl: undefined,
    packsDirectory: "packs",
    workerName: "one",
  });

  await using agent = await startAgent(folder);

  expect(await agent.ended).toBe(1);
  const [line = ""] = (await readFile(folder.logPath, "utf8")).trimEnd().split("\n").slice(-1);
  expect(line).toMatch(words);
  expect(line).toMatch(/--print-grants.* \[DATABASE_RIGHTS_MISSING\]$/);
  expect(await diagnosisOf(stranger.url)).toMatch(words);
});

test("an agent's role can load packs, and without a right the error says whose role can", async () => {
  await using fresh = await freshDatabase();
  const stranger = await strangerTo(fresh);
  await applyWithPsql(fresh.url, await grantsFor(stranger.url));
  const load = printed((invocation) => loadPacks(invocation, ["packs/core"]));

  expect(await load(stranger.url)).toContain("action core.noop");

  const { role } = stranger;
  await asSuperuser((client) => client.query(`revoke insert on attune.action from ${role}`), fresh.url);
  await expect(load(stranger.url)).rejects.toMatchObject({
    code: "DATABASE_RIGHTS_MISSING",
    reason: expect.stringMatching(/permission denied for table \w+/) as unknown,
    remedy: expect.stringContaining("the role that owns the schema, or grant") as unknown,
  });
});

test.each(["configure", "write", "read"])(
  "a broker's user without the right to %s is told what is refused, and which command grants it",
  async (right) => {
    await using vhost = await freshVhost();
    await using fresh = await freshDatabase();
    const user = await limitedUser(vhost);
    await user.allow(await grantsFor(fresh.url, user.url), { [right]: "^$" });

    expect(await diagnosisOf(fresh.url, user.url)).toMatch(
      /^✗ broker +could not connect to .*refused for user .*\n +→ grant it: .*--print-grants/m,
    );
  },
);

test("an agent whose broker user lacks a right logs it", { timeout: 180_000 }, async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  const user = await limitedUser(vhost);
  await user.allow(await grantsFor(fresh.url, user.url), { write: "^$" });
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: user.url,
    packsDirectory: "packs",
    workerName: "one",
  });

  await using _agent = await startAgent(folder);

  await expect
    .poll(() => readFile(folder.logPath, "utf8"), { timeout: 40_000 })
    .toMatch(/"level":"(warn|error)".*refused for user.*--print-grants/);
});

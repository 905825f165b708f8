/**
 * Goal: the agent works beside the platform's Rust services on one database server and one virtual host, and changes
 * nothing of theirs.
 * Method: their tables, exchanges and queues are declared by hand; an agent in a schema of its own counts, and what is theirs
 * is compared before and after.
 */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { usualNames } from "../../src/messaging/topology.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { agentFolder, startAgent } from "../support/agent-process.ts";
import { declareAncestorsExchanges, dumpOf, makeAncestor } from "../support/ancestor.ts";
import { emptyDatabase } from "../support/postgres.ts";
import { freshVhost, type FreshVhost } from "../support/rabbitmq.ts";
import { startCounting } from "../support/counting.ts";

const ownNames = {
  events: "acme.events",
  executions: "acme.executions",
  deadLetters: "acme.dlx",
  deadLetterQueue: "acme.dead-letters",
};

/** Theirs alone: what they declared, how it is bound, how much is in their queues. */
async function ancestorsBroker(vhost: FreshVhost): Promise<unknown> {
  const listed = async (kind: string): Promise<readonly Record<string, unknown>[]> => {
    const answer = await vhost.manage("GET", `/api/${kind}/{vhost}`);
    if (!Array.isArray(answer)) throw new Error("the management API answers with a list");
    return answer;
  };
  const isTheirs = (name: unknown): boolean => String(name).startsWith("attune.");
  return {
    exchanges: (await listed("exchanges"))
      .filter(({ name }) => isTheirs(name))
      .map(({ name, type, durable, arguments: all }) => ({ name, type, durable, all })),
    queues: (await listed("queues"))
      .filter(({ name }) => isTheirs(name))
      .map(({ name, arguments: all }) => ({ name, all })),
    bindings: (await listed("bindings"))
      .filter(({ source, destination }) => isTheirs(source) || isTheirs(destination))
      .map(({ source, destination, routing_key }) => ({ source, destination, routing_key })),
  };
}

test.each([
  { theirs: "attune", ours: "attune_sensors" },
  { theirs: "public", ours: "attune" },
])(
  "theirs in the schema $theirs, ours in $ours: events flow, and nothing of theirs changes",
  { timeout: 180_000 },
  async ({ theirs, ours }) => {
    await using empty = await emptyDatabase();
    await using vhost = await freshVhost();
    await makeAncestor(empty.url, theirs);
    await declareAncestorsExchanges(vhost);
    const before = { dump: await dumpOf(empty.url, theirs), broker: await ancestorsBroker(vhost) };
    const [exchange, executions_exchange] = [ownNames.events, ownNames.executions];
    const [dead_letter_exchange, dead_letter_queue] = [ownNames.deadLetters, ownNames.deadLetterQueue];

    await using database = await openPostgresql({ url: empty.url, schema: ours, logger: silentLogger });
    await migrate(database, loadMigrations(), silentLogger);
    await using counting = await startCounting({
      database,
      databaseUrl: empty.url,
      brokerUrl: vhost.url,
      names: ownNames,
      settings: {
        database: { schema: ours },
        messageQueue: { exchange, executions_exchange, dead_letter_exchange, dead_letter_queue },
      },
    });
    await using _agent = await startAgent(await counting.folder("beside"));
    await counting.progress();
    await counting.finish();
    await counting.expectNothingLostOrDoubled();

    expect({ dump: await dumpOf(empty.url, theirs), broker: await ancestorsBroker(vhost) }).toEqual(before);
    const theirQueue = await vhost.manage("GET", "/api/queues/{vhost}/attune.enforcements.queue");
    expect(Object(theirQueue).messages ?? 0).toBe(0);
  },
);

test(
  "with the default names too, the agent connects and leaves their declarations unchanged",
  { timeout: 180_000 },
  async () => {
    await using empty = await emptyDatabase();
    await using vhost = await freshVhost();
    await makeAncestor(empty.url, "attune");
    await declareAncestorsExchanges(vhost);
    const before = await dumpOf(empty.url, "attune");

    await using database = await openPostgresql({
      url: empty.url,
      schema: "attune_sensors",
      logger: silentLogger,
    });
    await migrate(database, loadMigrations(), silentLogger);
    await using counting = await startCounting({
      database,
      databaseUrl: empty.url,
      brokerUrl: vhost.url,
      names: { ...usualNames, deadLetters: "attune.dlx.topic" },
      settings: { database: { schema: "attune_sensors" } },
    });
    await using _agent = await startAgent(await counting.folder("beside"));
    await counting.progress();
    await counting.finish();
    await counting.expectNothingLostOrDoubled();

    expect(await dumpOf(empty.url, "attune")).toBe(before);
    const theirs = await vhost.manage("GET", "/api/exchanges/{vhost}/attune.dlx");
    expect(theirs).toMatchObject({ type: "direct", durable: true });
  },
);

test("on their schema the agent stops with one line and changes nothing", { timeout: 180_000 }, async () => {
  await using empty = await emptyDatabase();
  await makeAncestor(empty.url, "attune");
  const before = await dumpOf(empty.url, "attune");
  await using folder = await agentFolder({
    databaseUrl: empty.url,
    brokerUrl: undefined,
    packsDirectory: "packs",
    workerName: "stranger",
  });

  await using agent = await startAgent(folder);

  expect(await agent.ended).toBe(1);
  const lines = (await readFile(folder.logPath, "utf8")).trimEnd().split("\n");
  expect(lines.at(-1)).toMatch(
    /^attune-sensor-agent: could not use the schema attune of the database at \S+: it contains another program's tables \(.*set database\.schema to .* \[DATABASE_FOREIGN\]$/,
  );
  expect(await dumpOf(empty.url, "attune")).toBe(before);
});

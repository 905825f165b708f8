/**
 * PostgreSQL for tests: a private database on the shared server, in tens of milliseconds, or an entire
 * private server.
 *
 * Such a database is a clone of a template with all migrations. The template is named after the migrations and made once per server, by whichever test
 * process comes first; the others wait for it under an advisory lock.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { freePort } from "../../scripts/services/free-port.ts";
import { startPostgres, type PostgresServer } from "../../scripts/services/postgres.ts";
import type { Database } from "../../src/database/database.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql, type PostgresqlOptions } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { isRunning } from "../../scripts/services/is-running.ts";

export interface FreshDatabase extends AsyncDisposable {
  readonly url: string;
  /** Opened; closed with the scope. */
  readonly database: Database;
  /** A plain connection of its own, with the schema in its search path; ended with the scope. */
  connect(): Promise<Client>;
}

const serverUrl =
  process.env["ATTUNE_TEST_DATABASE_URL"] ?? "postgresql://attune:attune@127.0.0.1:5432/postgres";

/** A migrated database, opened. */
export async function freshDatabase(options: Partial<PostgresqlOptions> = {}): Promise<FreshDatabase> {
  const name = await createDatabase(await template());
  const url = urlOf(name);
  const database = await openPostgresql({ url, logger: silentLogger, connectionsMax: 10, ...options });
  // Each clone is an installation of its own, as it would be in life.
  await database.query({ text: "update attune.installation set id = gen_random_uuid()" });
  const clients: Client[] = [];
  return {
    url,
    database,
    async connect() {
      const client = new Client({ connectionString: url, options: "-c search_path=attune,public" });
      await client.connect();
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.end();
      await database[Symbol.asyncDispose]();
      await dropDatabase(name);
    },
  };
}

/** A database with nothing in it. */
export async function emptyDatabase(): Promise<{ readonly url: string } & AsyncDisposable> {
  const name = await createDatabase("template0");
  return { url: urlOf(name), [Symbol.asyncDispose]: () => dropDatabase(name) };
}

/** A server of the test's own, to be stopped, killed and restarted; gone with its files on disposal. */
export async function privatePostgres(settings: readonly string[] = []): Promise<PostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), "attune-postgres-"));
  const server = await startPostgres({ directory, port: await freePort(), settings });
  const stop = server[Symbol.asyncDispose].bind(server);
  server[Symbol.asyncDispose] = async () => {
    await stop();
    await rm(directory, { recursive: true, force: true });
  };
  return server;
}

/** Runs statements as the server's superuser, each call on a connection of its own. */
export async function asSuperuser<T>(
  work: (client: Client) => Promise<T>,
  url: string = serverUrl,
): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

let templateName: Promise<string> | undefined;

function template(): Promise<string> {
  templateName ??= ensureTemplate();
  return templateName;
}

async function ensureTemplate(): Promise<string> {
  const migrations = loadMigrations();
  const hash = createHash("sha256");
  // With their versions: two that have the same one are not both applied.
  for (const { version, checksum } of migrations) hash.update(version + checksum);
  const name = `attune_test_template_${hash.digest("hex").slice(0, 12)}`;

  await asSuperuser(async (client) => {
    await client.query("select pg_advisory_lock(hashtextextended('attune_test_template', 0))");
    await dropOrphans(client);
    const { rowCount } = await client.query("select from pg_database where datname = $1", [name]);
    if (rowCount !== 0) return;

    // Renamed only when complete, so that a run that dies here leaves no half template behind.
    const building = `${name}_building`;
    await client.query(`drop database if exists ${building} with (force)`);
    await client.query(`create database ${building} template template0`);
    {
      await using database = await openPostgresql({ url: urlOf(building), logger: silentLogger });
      await migrate(database, migrations, silentLogger);
    }
    await client.query(`alter database ${building} rename to ${name}`);
  });
  return name;
}

/** Names the machine, since a process id means something only there. */
const ownPrefix = `attune_test_${createHash("sha256").update(hostname()).digest("hex").slice(0, 6)}`;

/** What test processes of this machine left behind when they were killed. */
async function dropOrphans(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "select datname as name from pg_database where datname like $1 || '\\_%'",
    [ownPrefix],
  );
  for (const { name } of rows) {
    const pid = Number(name.slice(ownPrefix.length + 1).split("_")[0]);
    if (!isRunning(pid)) await client.query(`drop database if exists ${name} with (force)`);
  }
}

async function createDatabase(source: string): Promise<string> {
  const name = `${ownPrefix}_${process.pid}_${randomBytes(4).toString("hex")}`;
  await asSuperuser((client) => client.query(`create database ${name} template ${source}`));
  return name;
}

async function dropDatabase(name: string): Promise<void> {
  await asSuperuser((client) => client.query(`drop database if exists ${name} with (force)`));
}

function urlOf(database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

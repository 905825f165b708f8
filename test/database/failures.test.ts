/**
 * What an operator reads when the database fails: every failure is provoked, most of them with a server of the
 * test's own.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../scripts/services/free-port.ts";
import type { PostgresServer } from "../../scripts/services/postgres.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { explainingDatabaseFailures } from "../../src/database/explain-failure.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { openPostgresql, type PostgresqlOptions } from "../../src/database/postgresql/postgresql.ts";
import type { Query } from "../../src/database/database.ts";
import { OperatorError } from "../../src/errors/operator-error.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { fakePostgres } from "../support/fake-postgres.ts";
import { asSuperuser, privatePostgres } from "../support/postgres.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await privatePostgres(["max_connections=12", "superuser_reserved_connections=3"]);
  await asSuperuser(async (client) => {
    for (const statement of [
      "create role plain login password 'secret-word'",
      "create role nobody_logs_in password 'secret-word'",
      "create role lonely login password 'secret-word' connection limit 0",
      "create role reader login password 'secret-word'",
      "alter role reader set default_transaction_read_only = on",
      "create database closed allow_connections false",
      "create database crowded connection limit 0",
      "create database halfdropped",
      "update pg_database set datconnlimit = -2 where datname = 'halfdropped'",
      "create database private",
      "revoke connect on database private from public",
      "create database ours owner plain",
      "create database theirs",
      "create database reading owner reader",
    ])
      await client.query(statement);
  }, server.url);
});
afterAll(() => server[Symbol.asyncDispose]());

function urlAs(role: string, database: string, parameters = ""): string {
  const { host } = new URL(server.url);
  return `postgresql://${role}:secret-word@${host}/${database}${parameters}`;
}

/** What the operator reads: the failure of opening the database, and of the work in it. */
async function failureOf(
  url: string,
  work: (database: Awaited<ReturnType<typeof openPostgresql>>) => Promise<unknown> = async () => {},
  options: Partial<PostgresqlOptions> = {},
): Promise<{ code: string; line: string }> {
  try {
    await using database = await openPostgresql({ url, logger: silentLogger, ...options });
    await explainingDatabaseFailures(`work in the database at ${database.address}`, () => work(database));
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    expect(error.message).not.toContain("secret-word");
    expect(error.message).not.toContain("\n");
    return { code: error.code, line: error.message };
  }
  throw new Error("it did not fail");
}

function running(query: Query) {
  return (database: { query(query: Query): Promise<unknown> }) => database.query(query);
}

describe("a refused login is reported with its reason", () => {
  test.each([
    [
      "a wrong password",
      "plain:wrong",
      "ours",
      "DATABASE_LOGIN_REFUSED",
      /password authentication failed for user "plain" .*; correct the user and password in database\.url/,
    ],
    [
      "no password",
      "plain",
      "ours",
      "DATABASE_LOGIN_REFUSED",
      /: it asks for a password, and database\.url has none; write it as/,
    ],
    [
      "an unknown role",
      "stranger:secret-word",
      "ours",
      "DATABASE_LOGIN_REFUSED",
      /failed for user "stranger"/,
    ],
    [
      "a role that may not log in",
      "nobody_logs_in:secret-word",
      "ours",
      "DATABASE_LOGIN_REFUSED",
      /role "nobody_logs_in" is not permitted to log in .*; name another role/,
    ],
    [
      "a database that is not there",
      "plain:secret-word",
      "missing",
      "DATABASE_NOT_FOUND",
      /database "missing" does not exist .*; create the database/,
    ],
    [
      "a database that takes no connections",
      "plain:secret-word",
      "closed",
      "DATABASE_CLOSED",
      /not currently accepting connections .*; allow connections to the database/,
    ],
    [
      "a database the role may not use",
      "plain:secret-word",
      "private",
      "DATABASE_RIGHTS_MISSING",
      /permission denied for database "private" .*; grant connect/,
    ],
    [
      "a role at its limit",
      "lonely:secret-word",
      "ours",
      "DATABASE_EXHAUSTED",
      /too many connections for role "lonely" .*alter role … connection limit/,
    ],
    [
      "a database at its limit",
      "plain:secret-word",
      "crowded",
      "DATABASE_EXHAUSTED",
      /too many connections for database "crowded" .*alter database … connection limit/,
    ],
    [
      "an option the server does not know",
      "plain:secret-word",
      "ours?options=-c%20nosuch%3Don",
      "DATABASE_LOGIN_REFUSED",
      /unrecognized configuration parameter "nosuch" .*; correct the settings in the options/,
    ],
    [
      "an option with a wrong value",
      "plain:secret-word",
      "ours?options=-c%20work_mem%3Dmuch",
      "DATABASE_LOGIN_REFUSED",
      /invalid value for parameter "work_mem".*; correct the settings in the options/,
    ],
    [
      "an option that only a superuser may set",
      "plain:secret-word",
      "ours?options=-c%20session_preload_libraries%3Dx",
      "DATABASE_LOGIN_REFUSED",
      /permission denied to set parameter "session_preload_libraries".*; remove that setting from the options/,
    ],
    [
      "an option that only a restart of the server changes",
      "plain:secret-word",
      "ours?options=-c%20max_connections%3D5",
      "DATABASE_LOGIN_REFUSED",
      /parameter "max_connections" cannot be changed .*\(SQLSTATE 55P02\); remove that setting from the options/,
    ],
    [
      "a database that an interrupted drop left",
      "plain:secret-word",
      "halfdropped",
      "DATABASE_DAMAGED",
      /cannot connect to invalid database "halfdropped" .*; drop the database for good/,
    ],
    [
      "TLS that the server does not speak",
      "plain:secret-word",
      "ours?sslmode=verify-full",
      "TLS_FAILED",
      /: it does not speak TLS; turn ssl on/,
    ],
  ])("%s", async (_, login, database, code, line) => {
    const { host } = new URL(server.url);

    const failure = await failureOf(`postgresql://${login}@${host}/${database}`);

    expect(failure.code).toBe(code);
    expect(failure.line).toMatch(line);
    expect(failure.line).toContain(
      `could not connect to the database at ${host}/${database.split("?")[0]}: `,
    );
  });

  test("a server without a free connection", async () => {
    // Nine for all users but superusers.
    await using _ = await openPostgresql({ url: server.url, logger: silentLogger });
    const idle = await Promise.all(
      Array.from({ length: 9 }, () =>
        openPostgresql({ url: server.url, logger: silentLogger }).then(
          (database) => database,
          () => undefined,
        ),
      ),
    );
    try {
      const failure = await failureOf(urlAs("plain", "ours"));

      expect(failure.code).toBe("DATABASE_EXHAUSTED");
      expect(failure.line).toMatch(/\(SQLSTATE 53300\); raise the server's max_connections/);
    } finally {
      for (const each of idle) await each?.[Symbol.asyncDispose]();
    }
  });
});

describe("an address without a database is reported with what is there instead", () => {
  test("nothing", async () => {
    const port = await freePort();

    expect(await failureOf(`postgresql://me:secret-word@127.0.0.1:${port}/x`)).toEqual({
      code: "DATABASE_UNREACHABLE",
      line: `could not connect to the database at 127.0.0.1:${port}/x: nothing listens on 127.0.0.1:${port}; check that PostgreSQL is running there, and the host and port in database.url; in a container, localhost is the container itself`,
    });
  });

  test("an unknown name", async () => {
    const failure = await failureOf("postgresql://me:secret-word@database.invalid/x");

    expect(failure.code).toBe("DATABASE_UNREACHABLE");
    // Without a network no DNS server answers.
    expect(failure.line).toMatch(
      /database\.invalid:5432\/x: (DNS has no such name: database\.invalid|the name database\.invalid could not be resolved)/,
    );
  });

  test("a missing socket", async () => {
    const failure = await failureOf("postgresql://me:secret-word@/x?host=/nonexistent");

    expect(failure.line).toMatch(
      /at \/nonexistent:5432\/x: the socket \/nonexistent\/\.s\.PGSQL\.5432 does not exist; /,
    );
  });

  test("a program that never answers", async () => {
    await using silent = await listener(() => {});

    const failure = await failureOf(silent.url, undefined, { connectTimeoutMs: 300 });

    expect(failure).toMatchObject({ code: "DATABASE_UNREACHABLE" });
    expect(failure.line).toMatch(
      /: it did not answer in time; check that PostgreSQL is running there, any firewalls,/,
    );
  });

  test("a program that hangs up", async () => {
    await using rude = await listener((socket) => socket.end());

    expect((await failureOf(rude.url)).line).toMatch(
      /: it closed the connection without answering; check that the host and port in database\.url are PostgreSQL's/,
    );
  });
});

test("a connection that worked and is lost is not taken for a wrong address", async () => {
  const target = new URL(server.url);
  await using proxy = await startFaultProxy({
    targetHost: target.hostname,
    targetPort: Number(target.port),
  });
  target.port = String(proxy.port);

  const failure = await failureOf(target.href, async (database) => {
    const sleeping = database.query({ text: "select pg_sleep(60)" });
    proxy.cut();
    await sleeping;
  });

  expect(failure.code).toBe("DATABASE_UNREACHABLE");
  expect(failure.line).toMatch(
    /: the connection was lost; check that PostgreSQL is running, its log, and the network in between$/,
  );
});

describe("work that a server refuses", () => {
  test("a role without rights in the database is reported with the missing right", async () => {
    const failure = await failureOf(urlAs("plain", "theirs"), (database) =>
      migrate(database, loadMigrations(), silentLogger),
    );

    expect(failure.code).toBe("DATABASE_RIGHTS_MISSING");
    expect(failure.line).toMatch(
      /apply migration 20260101000001_create_platform to the database at .*permission denied for database theirs .*; let the role create/,
    );
  });

  test("a role without rights on the schema", async () => {
    await asSuperuser(
      (client) => client.query("create schema other; create table other.worker ()"),
      databaseUrl("ours"),
    );

    const failure = await failureOf(urlAs("plain", "ours"), running({ text: "select from other.worker" }));

    expect(failure.code).toBe("DATABASE_RIGHTS_MISSING");
    expect(failure.line).toMatch(
      /permission denied for schema other \(SQLSTATE 42501\); grant the role what .*--print-grants/,
    );
  });

  test("a read-only database", async () => {
    const failure = await failureOf(urlAs("reader", "reading"), (database) =>
      migrate(database, loadMigrations(), silentLogger),
    );

    expect(failure.code).toBe("DATABASE_READ_ONLY");
    expect(failure.line).toMatch(
      /read-only transaction \(SQLSTATE 25006\); name the primary in database\.url/,
    );
  });

  test.each([
    [
      "a table that is gone",
      "select from gone",
      "DATABASE_INCOMPLETE",
      /relation "gone" does not exist \(SQLSTATE 42P01\); run attune-sensor-agent migrate/,
    ],
    [
      "a column that is gone",
      "select gone from pg_class",
      "DATABASE_INCOMPLETE",
      /column "gone" does not exist/,
    ],
    [
      "a schema that is gone",
      "create table gone.worker ()",
      "DATABASE_INCOMPLETE",
      /schema "gone" does not exist/,
    ],
    [
      "more temporary files than allowed",
      "set temp_file_limit = 0; set work_mem = '64kB'; select from generate_series(1, 100000) order by random()",
      "DATABASE_EXHAUSTED",
      /temporary file size exceeds .*temp_file_limit.*; raise the limit that the message names/,
    ],
    [
      "a statement that takes too long",
      "set statement_timeout = 10; select pg_sleep(60)",
      "DATABASE_UNREACHABLE",
      /canceling statement due to statement timeout .*; check the server's load and locks/,
    ],
    [
      "an administrator who ends the session",
      "select pg_terminate_backend(pg_backend_pid())",
      "DATABASE_UNREACHABLE",
      /terminating connection due to administrator command .*; if nobody restarts the server, see its log/,
    ],
    [
      "a lock of somebody else",
      "set lock_timeout = 10; select pg_advisory_lock(7)",
      "DATABASE_REFUSED",
      /canceling statement due to lock timeout .*; try again/,
    ],
    [
      "a value that does not fit",
      "select 1 / 0",
      "DATABASE_REFUSED",
      /division by zero \(SQLSTATE 22012\); this is a bug in the agent/,
    ],
    [
      "a prepared statement of another session",
      "execute nothing",
      "DATABASE_POOLER",
      /prepared statement "nothing" does not exist .*; connect directly to the server/,
    ],
  ])("%s", async (_, text, code, line) => {
    const holder = await asSuperuser(async (client) => {
      await client.query("select pg_advisory_lock(7)");
      return failureOf(server.url, running({ text }));
    }, server.url);

    expect(holder.code).toBe(code);
    expect(holder.line).toMatch(line);
    expect(holder.line).toContain(`could not work in the database at ${new URL(server.url).host}/postgres: `);
  });
});

// Goal: whatever class PostgreSQL answers with, at the login or at a statement, the operator reads one line that
// has the server's words and the state, and a remedy.
// Method: a minimal server answers with a state of each class, because a real one cannot be made to.
describe("every class of states is one line", () => {
  test.each([
    ["08006", "connection failure", "DATABASE_UNREACHABLE"],
    ["08P01", "unsupported startup parameter: options", "DATABASE_POOLER"],
    ["08P01", "no such user: x", "DATABASE_LOGIN_REFUSED"],
    ["0A000", "LISTEN is not supported", "DATABASE_POOLER"],
    ["21000", "cardinality", "DATABASE_REFUSED"],
    ["23505", "duplicate key", "DATABASE_REFUSED"],
    ["25006", "cannot execute", "DATABASE_READ_ONLY"],
    ["25P03", "terminating connection due to idle-in-transaction timeout", "DATABASE_UNREACHABLE"],
    ["26000", "prepared statement does not exist", "DATABASE_POOLER"],
    [
      "28000",
      'no pg_hba.conf entry for host "10.0.0.1", user "x", database "y", no encryption',
      "DATABASE_LOGIN_REFUSED",
    ],
    ["28P01", "password authentication failed", "DATABASE_LOGIN_REFUSED"],
    ["28000", 'role "x" does not exist', "DATABASE_LOGIN_REFUSED"],
    ["28000", 'Peer authentication failed for user "x"', "DATABASE_LOGIN_REFUSED"],
    ["28000", 'LDAP authentication failed for user "x"', "DATABASE_LOGIN_REFUSED"],
    ["3D000", "database does not exist", "DATABASE_NOT_FOUND"],
    ["3F000", "no schema has been selected to create in", "DATABASE_INCOMPLETE"],
    ["40001", "could not serialize access", "DATABASE_REFUSED"],
    ["42501", "permission denied for table worker", "DATABASE_RIGHTS_MISSING"],
    ["42601", "syntax error", "DATABASE_REFUSED"],
    ["42P05", "prepared statement already exists", "DATABASE_POOLER"],
    ["53100", "could not extend file: No space left on device", "DATABASE_EXHAUSTED"],
    ["53200", "out of memory", "DATABASE_EXHAUSTED"],
    ["53200", "out of shared memory", "DATABASE_EXHAUSTED"],
    ["53300", "sorry, too many clients already", "DATABASE_EXHAUSTED"],
    ["53400", "configuration limit exceeded", "DATABASE_EXHAUSTED"],
    ["54000", "program limit exceeded", "DATABASE_REFUSED"],
    // In the language of the server.
    ["55000", "Datenbank »x« akzeptiert gegenwärtig keine Verbindungen", "DATABASE_CLOSED"],
    ["55P02", "parameter cannot be changed now", "DATABASE_LOGIN_REFUSED"],
    ["55P03", "canceling statement due to lock timeout", "DATABASE_REFUSED"],
    ["55006", "object in use", "DATABASE_REFUSED"],
    ["57014", "canceling statement due to user request", "DATABASE_UNREACHABLE"],
    ["57P01", "terminating connection due to administrator command", "DATABASE_UNREACHABLE"],
    ["57P02", "terminating connection because of crash of another server process", "DATABASE_UNREACHABLE"],
    ["57P03", "the database system is starting up", "DATABASE_UNREACHABLE"],
    ["57P03", "the database system is not accepting connections", "DATABASE_UNREACHABLE"],
    ["57P04", "database was dropped", "DATABASE_NOT_FOUND"],
    ["57P05", "terminating connection due to idle-session timeout", "DATABASE_UNREACHABLE"],
    ["58000", "system error", "DATABASE_UNREACHABLE"],
    ["58030", "could not read block: Input/output error", "DATABASE_DAMAGED"],
    ["F0000", "configuration file contains errors", "DATABASE_REFUSED"],
    ["P0001", "raised by somebody's trigger", "DATABASE_REFUSED"],
    ["XX000", "internal error", "DATABASE_REFUSED"],
    ["XX001", "invalid page in block 0", "DATABASE_DAMAGED"],
    ["XX002", "index is corrupted", "DATABASE_DAMAGED"],
    ["99999", "a state that this version does not know", "DATABASE_REFUSED"],
  ])("%s %s", async (state, message, code) => {
    const refusal = { severity: "FATAL", state, message } as const;
    await using atLogin = await fakePostgres({ login: refusal });
    await using atWork = await fakePostgres({
      statement: { text: /select 'work'/, refusal: { ...refusal, severity: "ERROR" } },
    });

    const failures = [
      await failureOf(atLogin.url),
      await failureOf(atWork.url, running({ text: "select 'work'" })),
      await failureOf(atWork.url, running({ text: "select 'work'", name: "work", values: [] })),
    ];

    for (const failure of failures) {
      expect(failure.code).toBe(code);
      expect(failure.line).toMatch(
        /^could not (connect to|work in) the database at 127\.0\.0\.1:\d+\/fake: /,
      );
      expect(failure.line).toContain(`${message} (SQLSTATE ${state}); `);
    }
  });

  test("a server before version 14 is refused", async () => {
    await using old = await fakePostgres({ version: 130_014 });

    const failure = await failureOf(old.url);

    expect(failure.code).toBe("DATABASE_OUTDATED");
    expect(failure.line).toMatch(
      /^could not use the database at \S+: it is PostgreSQL 13; upgrade the server to PostgreSQL 14 or newer/,
    );
  });
});

test("a standby is distinguished from a primary", async () => {
  const { rows } = await asSuperuser(
    (client) => client.query<{ path: string }>("select current_setting('data_directory') as path"),
    server.url,
  );
  await server.stop();
  await writeFile(join(rows[0]?.path ?? "", "standby.signal"), "");
  await server.start();

  const failure = await failureOf(urlAs("plain", "ours"), (database) =>
    migrate(database, loadMigrations(), silentLogger),
  );

  expect(failure.code).toBe("DATABASE_READ_ONLY");
  expect(failure.line).toMatch(/; name the primary in database\.url/);
});

function databaseUrl(name: string): string {
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}

async function listener(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  }).listen(0, "127.0.0.1");
  await once(listening, "listening");
  const address = listening.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `postgresql://me:secret-word@127.0.0.1:${port}/x`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listening.close();
      await once(listening, "close");
    },
  };
}

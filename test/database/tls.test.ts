/** TLS to a real server, with an authority made for the test. */
import { chownSync, copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PostgresServer } from "../../scripts/services/postgres.ts";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import type { TlsSettings } from "../../src/files/tls-options.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { openAuthority, type Authority, type Certificate } from "../support/certificates.ts";
import { asSuperuser, privatePostgres } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

let server: PostgresServer;
let authority: Authority;
let stranger: Authority;
let client: Certificate;
let dataDirectory: string;
beforeAll(async () => {
  server = await privatePostgres();
  authority = openAuthority("Test authority");
  stranger = openAuthority("Other authority");
  client = authority.sign("with_certificate");
  const { rows } = await asSuperuser(
    (each) => each.query<{ path: string }>("select current_setting('data_directory') as path"),
    server.url,
  );
  dataDirectory = rows[0]?.path ?? "";
  install(authority.ca, "ca.pem");
  const rules = join(dataDirectory, "pg_hba.conf");
  writeFileSync(rules, `hostssl all with_certificate 127.0.0.1/32 cert\n${readFileSync(rules, "utf8")}`);
  await asSuperuser((each) => each.query("create role with_certificate login"), server.url);
  await asSuperuser((each) => each.query("alter system set ssl_ca_file = 'ca.pem'"), server.url);
  await serve(authority.sign("db.test"));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
  stranger[Symbol.dispose]();
});

test("with the authority and the certificate's name the connection is encrypted", async () => {
  await using database = await open({ ca: authority.ca, server_name: "db.test" });

  const { rows } = await database.query({ text: "select ssl from pg_stat_ssl where pid = pg_backend_pid()" });

  expect(rows).toEqual([{ ssl: true }]);
});

test("a client certificate takes the place of a password", async () => {
  const url = new URL(server.url);
  url.username = "with_certificate";
  url.password = "";

  await using database = await open({ ca: authority.ca, verify: "ca", ...client }, url.href);

  const { rows } = await database.query({ text: "select current_user::text as name" });
  expect(rows).toEqual([{ name: "with_certificate" }]);
  await expect(open({ ca: authority.ca, verify: "ca" }, url.href)).rejects.toMatchObject({
    code: "DATABASE_LOGIN_REFUSED",
    remedy: expect.stringContaining("database.tls.cert"),
  });
});

test.each<[string, () => TlsSettings, RegExp]>([
  [
    "an authority that is not trusted",
    () => ({ server_name: "db.test" }),
    /signed by an authority that is not trusted here; set database\.tls\.ca /,
  ],
  [
    "another authority than the one named",
    () => ({ ca: stranger.ca, server_name: "db.test" }),
    /an authority that is not trusted here/,
  ],
  [
    "a certificate for another name",
    () => ({ ca: authority.ca }),
    /its certificate is not for .*; use a host name from the certificate in database\.url, or .* database\.tls\.server_name/,
  ],
  [
    "a name that it has not",
    () => ({ ca: authority.ca, server_name: "other.test" }),
    /its certificate is not for other\.test: /,
  ],
])("%s is reported", async (_, tls, line) => {
  await expect(open(tls())).rejects.toMatchObject({
    code: "TLS_FAILED",
    message: expect.stringMatching(line),
  });
});

test("the check can be limited to the authority, or left out", async () => {
  await using byAuthority = await open({ ca: authority.ca, verify: "ca" });
  await using unchecked = await open({ verify: "none" });

  expect(byAuthority.health().state).toBe("up");
  expect(unchecked.health().state).toBe("up");
});

test("a laxer sslmode of libpq is logged in one line, and checks as strictly", async () => {
  const { logger, lines } = recordingLogger();
  const url = `${server.url}?sslmode=require&sslrootcert=${authority.ca}`;

  await expect(openPostgresql({ url, logger })).rejects.toMatchObject({ code: "TLS_FAILED" });

  expect(lines.map(({ message }) => message)).toEqual([
    "sslmode=require checks the server's certificate as verify-full does; write verify-full, or set database.tls",
  ]);
});

function open(tls: TlsSettings, url = server.url) {
  return openPostgresql({ url, tls, logger: silentLogger });
}

function install(source: string, name: string): void {
  const path = join(dataDirectory, name);
  copyFileSync(source, path);
  const { uid, gid } = statSync(dataDirectory);
  chownSync(path, uid, gid);
}

async function serve({ cert, key }: Certificate): Promise<void> {
  install(cert, "server.crt");
  install(key, "server.key");
  await asSuperuser((each) => each.query("alter system set ssl = on"), server.url);
  await server.stop();
  await server.start();
}

/**
 * `identity …` and `token create`. They use the configured database, so that the first admin can be added before an agent
 * runs. Only one process can open an embedded database; while an agent on this machine has it open, they use that agent's
 * API.
 */
import { explainingDatabaseFailures } from "../../database/explain-failure.ts";
import { loadMigrations } from "../../database/migrations/bundled-migrations.ts";
import { migrate } from "../../database/migrations/migrate.ts";
import type { Database } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { readInstallation } from "../../database/statements/installation.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { IdentityAdministration, type ServiceRole } from "../../identity/identity-administration.ts";
import { configuredSecrets, storedSecrets } from "../../identity/signing-secrets.ts";
import { TokenMint } from "../../identity/token-mint.ts";
import { issuerOf, sensorLoginPrefix } from "../../model/identity/claims.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { systemClock } from "../../time/clock.ts";
import { TokenCodec } from "../../tokens/token-codec.ts";
import { ApiClient } from "../client/api-client.ts";
import { localConnectionIfAny } from "../client/api-connection.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { openConfiguredDatabase } from "../open-configured-database.ts";
import { openLogger } from "../open-logger.ts";
import { readPassword } from "../read-password.ts";
import { jsonReport } from "../json-report.ts";

interface ListedIdentity {
  readonly login: string;
  readonly role: string;
  readonly has_password: boolean;
}

interface CreatedToken {
  readonly login: string;
  readonly token: string;
  readonly expires_at: string;
}

interface Identities extends AsyncDisposable {
  add(login: string, role: ServiceRole, password: string): Promise<void>;
  setPassword(login: string, password: string): Promise<void>;
  list(): Promise<readonly ListedIdentity[]>;
  remove(login: string): Promise<void>;
  createToken(role: ServiceRole, name: string, ttlSeconds: number): Promise<CreatedToken>;
}

export interface IdentityInvocation extends Invocation {
  readonly input: NodeJS.ReadStream;
}

export async function addIdentity(
  invocation: IdentityInvocation,
  login: string,
  role: ServiceRole,
): Promise<ExitCode> {
  if (login.startsWith(sensorLoginPrefix))
    throw refused(`add ${login}`, "CONFLICT", "that is a sensor's login");
  const password = await readPassword(invocation);
  await using identities = await openIdentities(invocation);
  await identities.add(login, role, password);
  return report(invocation, `added ${login} with the role ${role}`, { login, role, done: "add" });
}

export async function setPassword(invocation: IdentityInvocation, login: string): Promise<ExitCode> {
  const password = await readPassword(invocation);
  await using identities = await openIdentities(invocation);
  await identities.setPassword(login, password);
  const text = `${login} has the new password; its tokens have ended`;
  return report(invocation, text, { login, done: "password" });
}

export async function listIdentities(invocation: Invocation): Promise<ExitCode> {
  await using identities = await openIdentities(invocation);
  const listed = await identities.list();
  if (invocation.format === "json") {
    invocation.print(jsonReport(listed));
    return 0;
  }
  const width = Math.max(0, ...listed.map(({ login }) => login.length));
  for (const { login, role, has_password: hasPassword } of listed)
    invocation.print(
      `${login.padEnd(width)}  ${role.padEnd(6)}  ${hasPassword ? "password" : "tokens only"}\n`,
    );
  if (listed.length === 0) invocation.print("none\n");
  return 0;
}

export async function removeIdentity(invocation: Invocation, login: string): Promise<ExitCode> {
  await using identities = await openIdentities(invocation);
  await identities.remove(login);
  return report(invocation, `removed ${login}; its tokens have ended`, { login, done: "remove" });
}

function report({ format, print }: Invocation, text: string, done: JsonObject): ExitCode {
  print(format === "json" ? jsonReport(done) : `${text}\n`);
  return 0;
}

/** Prints the token alone, so that it can go into a variable or a file. */
export async function createToken(
  invocation: Invocation,
  {
    role,
    name,
    ttlSeconds,
  }: { readonly role: ServiceRole; readonly name: string; readonly ttlSeconds: number },
): Promise<ExitCode> {
  await using identities = await openIdentities(invocation);
  const created = await identities.createToken(role, name, ttlSeconds);
  if (invocation.format === "json") invocation.print(jsonReport(created));
  else invocation.print(`${created.token}\n`);
  return 0;
}

async function openIdentities(invocation: Invocation): Promise<Identities> {
  const loaded = loadConfiguration(invocation);
  const { config } = loaded;
  const local = config.database.url === undefined ? localConnectionIfAny(config.data_dir) : undefined;
  if (local !== undefined) return throughApi(new ApiClient(local));
  const logger = await openLogger(loaded, invocation.environment);
  const database = await openConfiguredDatabase(config, logger);
  try {
    return await explainingDatabaseFailures(`manage identities in ${database.address}`, async () => {
      await migrate(database, loadMigrations(), logger);
      const codec = new TokenCodec(configuredSecrets(config.security) ?? (await storedSecrets(database)));
      const installation = await rowOf(database, readInstallation, undefined);
      const issuer = issuerOf(installation?.id ?? "");
      const mint = new TokenMint({
        database,
        issuer,
        codec: () => codec,
        onRevoked: () => {},
        clock: systemClock,
      });
      return inDatabase(database, new IdentityAdministration(database, mint));
    });
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

function inDatabase(database: Database, administration: IdentityAdministration): Identities {
  return {
    async add(login, role, password) {
      const added = await administration.add({ login, role, password });
      if (added === undefined)
        throw refused(`add ${login}`, "CONFLICT", "there is an identity with that login");
    },
    async setPassword(login, password) {
      demandFound(`set the password of ${login}`, await administration.setPassword(login, password));
    },
    async list() {
      const entries = await administration.list();
      return entries.map(({ login, role, hasPassword }) => ({ login, role, has_password: hasPassword }));
    },
    async remove(login) {
      demandFound(`remove ${login}`, await administration.remove(login));
    },
    async createToken(role, name, ttlSeconds) {
      const { login, token, expiresAtMs } = await administration.createToken({ role, name, ttlSeconds });
      return { login, token, expires_at: new Date(expiresAtMs).toISOString() };
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

function throughApi(client: ApiClient): Identities {
  return {
    async add(login, role, password) {
      const body = { login, role, password };
      await client.ask({ method: "POST", path: "/api/v1/identities", body, attempt: `add ${login}` });
    },
    async setPassword(login, password) {
      const path = `${pathOf(login)}/password`;
      const attempt = `set the password of ${login}`;
      await client.ask({ method: "POST", path, body: { password }, attempt });
    },
    async list() {
      const { items } = await client.ask({ path: "/api/v1/identities", attempt: "list identities" });
      return isJsonArray(items) ? items.filter(isJsonObject).map(listedOf) : [];
    },
    async remove(login) {
      await client.ask({ method: "DELETE", path: pathOf(login), attempt: `remove ${login}` });
    },
    async createToken(role, name, ttlSeconds) {
      const body = { role, name, ttl_seconds: ttlSeconds };
      const path = "/api/v1/auth/token";
      const { data } = await client.ask({ method: "POST", path, body, attempt: "create a token" });
      const { login, token, expires_at: expiresAt } = isJsonObject(data) ? data : {};
      return { login: textOf(login), token: textOf(token), expires_at: textOf(expiresAt) };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function demandFound(attempt: string, isFound: boolean): void {
  if (!isFound) throw refused(attempt, "NOT_FOUND", "there is no identity with that login");
}

function pathOf(login: string): string {
  return `/api/v1/identities/${encodeURIComponent(login)}`;
}

function listedOf({ login, role, has_password: hasPassword }: JsonObject): ListedIdentity {
  return { login: textOf(login), role: textOf(role), has_password: hasPassword === true };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function refused(attempt: string, code: "CONFLICT" | "NOT_FOUND", reason: string): OperatorError {
  return new OperatorError({
    code,
    attempt,
    reason,
    remedy: "attune-sensor-agent identity list shows all identities",
  });
}

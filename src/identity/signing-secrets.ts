/**
 * The secrets that sign tokens: the configured ones, or else one that the first agent on a database makes and all others read.
 *
 * A secret in the database is as safe as the database: its readers could change any row anyway. A configured one is needed
 * where other programs of the platform are to make or verify tokens.
 */
import { randomBytes } from "node:crypto";
import type { Config } from "../config/schema.ts";
import type { Database } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { addSigningKey, lockSigningKeys, readSigningKeys } from "../database/statements/identities.ts";
import type { Secrets } from "../tokens/token-codec.ts";

/** As long as the hash (RFC 7518 section 3.2), in hexadecimal digits. */
const secretBytes = 32;

/** Undefined: none is configured. */
export function configuredSecrets({
  jwt_secret: secret,
  jwt_secret_previous: previous,
}: Config["security"]): Secrets | undefined {
  if (secret === undefined) return undefined;
  return previous === undefined ? [secret] : [secret, previous];
}

export async function storedSecrets(database: Database): Promise<Secrets> {
  return (await read(database)) ?? (await makeOrRead(database));
}

async function read(rows: Pick<Database, "query">): Promise<Secrets | undefined> {
  const [newest, ...others] = await rowsOf(rows, readSigningKeys, undefined);
  return newest === undefined ? undefined : [newest, ...others];
}

async function makeOrRead(database: Database): Promise<Secrets> {
  return await database.transaction(async (rows) => {
    await rowOf(rows, lockSigningKeys, undefined);
    const made = await read(rows);
    if (made !== undefined) return made;
    const secret = randomBytes(secretBytes).toString("hex");
    await rowOf(rows, addSigningKey, secret);
    return [secret];
  });
}

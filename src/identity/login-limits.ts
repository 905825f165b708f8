/**
 * Limits attempts to log in, across all agents: by login, so that nobody can try many passwords of one person, and by
 * address, so that nobody can try one password of many persons.
 *
 * Attempts are counted before the password is checked. Logins are kept as hashes, because people type passwords into the
 * wrong field.
 */
import { createHash } from "node:crypto";
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { countLoginAttempt, forgetLoginAttempts } from "../database/statements/login-attempts.ts";
import { addressNetwork } from "../model/identity/address-network.ts";

const windowSeconds = 900;
const attemptsMax = { login: 10, address: 100 } as const;

export interface LoginAttempt {
  readonly login: string;
  readonly address: string;
}

/** @returns seconds to wait; 0 if the attempt is within the limits */
export async function countAttempt(database: Queryable, { login, address }: LoginAttempt): Promise<number> {
  const byAddress = await count(database, "address", addressNetwork(address));
  // One that is refused for its address must not use up the attempts of a login.
  return byAddress > 0 ? byAddress : await count(database, "login", login);
}

/** After the right password. */
export async function forgetAttempts(database: Queryable, login: string): Promise<void> {
  await rowOf(database, forgetLoginAttempts, keyOf("login", login));
}

async function count(database: Queryable, kind: "login" | "address", value: string): Promise<number> {
  const counted = await rowOf(database, countLoginAttempt, { key: keyOf(kind, value), windowSeconds });
  return counted !== undefined && counted.attempts > attemptsMax[kind] ? counted.secondsLeft : 0;
}

function keyOf(kind: string, value: string): string {
  return createHash("sha256").update(`${kind}:${value}`).digest("base64url");
}

/**
 * Logs people in: a password gets an access token for an hour and a refresh token for a week, which gets another pair. All
 * tokens that descend from one login are one family, so revoking the first refresh token ends the session.
 */
import { randomUUID } from "node:crypto";
import type { Database } from "../database/database.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import { rowOf } from "../database/statement.ts";
import { readIdentity, type Identity } from "../database/statements/identities.ts";
import type { DecodedToken } from "../model/identity/claims.ts";
import { countAttempt, forgetAttempts, type LoginAttempt } from "./login-limits.ts";
import { isPassword } from "./password-hash.ts";
import type { TokenMint } from "./token-mint.ts";

const accessSeconds = 3_600;
const refreshSeconds = 7 * 86_400;

export interface Session {
  readonly identity: Identity;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Of the access token. */
  readonly lifetimeSeconds: number;
}

export type LoginOutcome =
  | { readonly kind: "open"; readonly session: Session }
  /** No such login, no password, or another one. */
  | { readonly kind: "refused" }
  | { readonly kind: "limited"; readonly secondsLeft: number };

export interface SessionsOptions {
  readonly database: Database;
  readonly mint: TokenMint;
  readonly decode: (token: string) => Promise<DecodedToken | undefined>;
}

export class Sessions {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  async logIn(attempt: LoginAttempt, password: string): Promise<LoginOutcome> {
    const { database } = this.#options;
    const secondsLeft = await this.#explaining(() => countAttempt(database, attempt));
    if (secondsLeft > 0) return { kind: "limited", secondsLeft };
    const identity = await this.#explaining(() => rowOf(database, readIdentity, attempt.login));
    const isRight = await isPassword(password, identity?.passwordHash ?? null);
    if (identity === undefined || !isRight) return { kind: "refused" };
    await this.#explaining(() => forgetAttempts(database, attempt.login));
    return { kind: "open", session: await this.#open(identity, randomUUID()) };
  }

  /** @returns undefined if it is no refresh token, or not valid any more */
  async refresh(token: string): Promise<Session | undefined> {
    const { database, decode } = this.#options;
    const decoded = await decode(token);
    if (decoded?.use !== "refresh" || decoded.family === null) return undefined;
    const { identityVersion, caller } = decoded;
    const identity = await this.#explaining(() => rowOf(database, readIdentity, caller.login));
    if (identity?.id !== caller.identityId) return undefined;
    // The new tokens would still be valid after a change of the password that this agent has not heard of yet.
    if (identityVersion !== null && identity.tokenVersion !== identityVersion) return undefined;
    return await this.#open(identity, decoded.family);
  }

  /** Without a password, for callers that need none. */
  async openFor(identity: Identity): Promise<Session> {
    return await this.#open(identity, randomUUID());
  }

  async #open(identity: Identity, family: string): Promise<Session> {
    const { mint } = this.#options;
    const terms = { identity, family } as const;
    const access = await mint.mint({ ...terms, use: "access", lifetimeSeconds: accessSeconds });
    const refresh = await mint.mint({ ...terms, use: "refresh", lifetimeSeconds: refreshSeconds });
    return {
      identity,
      accessToken: access.token,
      refreshToken: refresh.token,
      lifetimeSeconds: accessSeconds,
    };
  }

  async #explaining<T>(work: () => Promise<T>): Promise<T> {
    const { address } = this.#options.database;
    return await explainingDatabaseFailures(`log in with the database at ${address}`, work);
  }
}

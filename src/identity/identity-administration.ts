/** Makes and removes identities of people, sets their passwords, and makes tokens for services. */
import type { Database } from "../database/database.ts";
import { violatesUniqueness } from "../database/errors.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  addIdentity,
  listIdentities,
  removeIdentity,
  setPasswordHash,
  type IdentityEntry,
} from "../database/statements/identities.ts";
import type { Role } from "../model/identity/caller.ts";
import { hashPassword } from "./password-hash.ts";
import type { TokenMint } from "./token-mint.ts";

/** Sensors get their identities and tokens on their own. */
export type ServiceRole = Exclude<Role, "sensor">;

export interface NewIdentity {
  readonly login: string;
  readonly role: ServiceRole;
  readonly password: string;
}

export interface ServiceTokenRequest {
  readonly role: ServiceRole;
  /** Of the service that it is for. */
  readonly name: string;
  readonly ttlSeconds: number;
}

export interface ServiceToken {
  readonly login: string;
  readonly token: string;
  readonly jti: string;
  readonly expiresAtMs: number;
}

export class IdentityAdministration {
  readonly #database: Database;
  readonly #mint: TokenMint;

  constructor(database: Database, mint: TokenMint) {
    this.#database = database;
    this.#mint = mint;
  }

  /** @returns undefined if the login is taken */
  async add({ login, role, password }: NewIdentity): Promise<IdentityEntry | undefined> {
    const passwordHash = await hashPassword(password);
    return await this.#explaining(`add the identity ${login}`, async () => {
      try {
        return await rowOf(this.#database, addIdentity, { login, role, passwordHash });
      } catch (error) {
        if (violatesUniqueness(error, "identity_login_key")) return undefined;
        throw error;
      }
    });
  }

  /** Ends all its tokens. @returns whether there is such an identity */
  async setPassword(login: string, password: string): Promise<boolean> {
    const passwordHash = await hashPassword(password);
    const found = await this.#explaining(`set the password of ${login}`, () =>
      rowOf(this.#database, setPasswordHash, { login, passwordHash }),
    );
    return found !== undefined;
  }

  async list(): Promise<readonly IdentityEntry[]> {
    return await this.#explaining("list identities", () => rowsOf(this.#database, listIdentities, undefined));
  }

  /** Ends all its tokens. @returns whether there was such an identity */
  async remove(login: string): Promise<boolean> {
    const removed = await this.#explaining(`remove the identity ${login}`, () =>
      rowOf(this.#database, removeIdentity, login),
    );
    return removed !== undefined;
  }

  /** Each service has an identity, so removing that ends its tokens. @throws OperatorError CONFLICT if it has another role */
  async createToken({ role, name, ttlSeconds }: ServiceTokenRequest): Promise<ServiceToken> {
    const login = `service:${name}`;
    const identity = await this.#mint.serviceIdentity({ login, role, attributes: {} });
    return { login, ...(await this.#mint.mint({ use: "access", identity, lifetimeSeconds: ttlSeconds })) };
  }

  async #explaining<T>(attempt: string, work: () => Promise<T>): Promise<T> {
    return await explainingDatabaseFailures(`${attempt} in the database at ${this.#database.address}`, work);
  }
}

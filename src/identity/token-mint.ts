/** Makes tokens of identities, and revokes them. */
import { randomUUID } from "node:crypto";
import type { Database } from "../database/database.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import { rowOf } from "../database/statement.ts";
import {
  readIdentity,
  readSensorId,
  saveServiceIdentity,
  type Identity,
  type ServiceIdentity,
} from "../database/statements/identities.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Id } from "../model/identifiers.ts";
import { encodeClaims, type NewToken } from "../model/identity/claims.ts";
import { areEqual } from "../model/json/equality.ts";
import type { Clock } from "../time/clock.ts";
import type { TokenCodec } from "../tokens/token-codec.ts";
import { TokenRevocations } from "./token-revocations.ts";

export interface TokenMintOptions {
  readonly database: Database;
  readonly issuer: string;
  /** The present one. */
  readonly codec: () => TokenCodec;
  /** Called after a token was revoked, for what remembers valid ones. */
  readonly onRevoked: () => void;
  readonly clock: Clock;
}

export type TokenTerms = Pick<NewToken, "use" | "grant" | "sensorId" | "lifetimeSeconds"> & {
  readonly identity: Identity;
  /** Undefined: the token begins a family of its own. */
  readonly family?: string | undefined;
};

export interface MintedToken {
  readonly identityId: Id;
  readonly token: string;
  readonly jti: string;
  readonly expiresAtMs: number;
}

export class TokenMint {
  readonly #options: TokenMintOptions;
  readonly #revocations: TokenRevocations;

  constructor(options: TokenMintOptions) {
    this.#options = options;
    this.#revocations = new TokenRevocations(options.database);
  }

  async mint({ identity, family, ...terms }: TokenTerms): Promise<MintedToken> {
    const { issuer, codec, clock } = this.#options;
    const jti = randomUUID();
    const claims = encodeClaims(
      {
        ...terms,
        identity: { id: identity.id, login: identity.login, version: identity.tokenVersion },
        role: identity.role,
        jti,
        family: family ?? jti,
        issuedAtMs: clock.nowMs(),
      },
      issuer,
    );
    const token = await codec().sign(claims);
    return { identityId: identity.id, token, jti, expiresAtMs: Number(claims["exp"]) * 1_000 };
  }

  /** Undefined: there is none with that login. */
  async identity(login: string): Promise<Identity | undefined> {
    const { database } = this.#options;
    return await this.#explaining(`read the identity ${login}`, () => rowOf(database, readIdentity, login));
  }

  /**
   * The identity of a sensor or a service, made if it is new. One that is as it should be is only read, since each write makes
   * every agent read its known tokens' rows.
   *
   * @throws OperatorError CONFLICT if the login belongs to an identity with another role
   */
  async serviceIdentity(wanted: ServiceIdentity): Promise<Identity> {
    const { login, role, attributes } = wanted;
    const { database } = this.#options;
    return await this.#explaining(`prepare the identity ${login}`, async () => {
      const present = await rowOf(database, readIdentity, login);
      const isReady = present?.role === role && areEqual(present.attributes, attributes);
      const identity = isReady ? present : await rowOf(database, saveServiceIdentity, wanted);
      if (identity !== undefined) return identity;
      throw new OperatorError({
        code: "CONFLICT",
        attempt: `make a token for ${login}`,
        reason: `the identity with that login has the role ${present?.role ?? "of another kind"}, not ${role}`,
        remedy: `remove it with attune-sensor-agent identity remove ${login}`,
      });
    });
  }

  /**
   * Ends a token and all that descend from it. Every agent refuses them as soon as it is notified.
   *
   * @param keepSeconds for how long one of them could otherwise be valid
   */
  async revoke(jti: string, keepSeconds: number): Promise<void> {
    await this.#explaining("revoke a token", () => this.#revocations.revoke(jti, keepSeconds));
    this.#options.onRevoked();
  }

  /** Null: there is no such sensor. */
  async sensorId(sensorRef: string): Promise<Id | null> {
    const { database } = this.#options;
    const row = await this.#explaining("read a sensor", () => rowOf(database, readSensorId, sensorRef));
    return row ?? null;
  }

  async #explaining<T>(attempt: string, work: () => Promise<T>): Promise<T> {
    const { address } = this.#options.database;
    return await explainingDatabaseFailures(`${attempt} in the database at ${address}`, work);
  }
}

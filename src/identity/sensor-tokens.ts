/**
 * Tokens for sensors, each bound to a sensor, its triggers, and the assignment under which it runs.
 *
 * A renewed token belongs to the family of the one it renews: revoking that one ends them all.
 */
import type { Identity } from "../database/statements/identities.ts";
import type { SensorGrant } from "../model/identity/caller.ts";
import { sensorLoginPrefix, type DecodedToken } from "../model/identity/claims.ts";
import type { AssignmentTerm } from "../model/sensors/incoming-event.ts";
import type { MintedToken, TokenMint } from "./token-mint.ts";

const sensorTokenSecondsDefault = 86_400;
const sensorTokenSecondsMax = 259_200;

export interface SensorTokenRequest {
  readonly sensorRef: string;
  /** Triggers whose events it may emit and whose rules it may read. */
  readonly triggerRefs: readonly string[];
  /** Null: no agent runs it. */
  readonly term: AssignmentTerm | null;
  /** A day unless set; three days at most. */
  readonly ttlSeconds?: number | undefined;
  /** Of the token that this one renews. */
  readonly family?: string | undefined;
}

export class SensorTokens {
  readonly #mint: TokenMint;

  constructor(mint: TokenMint) {
    this.#mint = mint;
  }

  /** @throws OperatorError if the database does not answer */
  async mint(request: SensorTokenRequest): Promise<MintedToken> {
    const { sensorRef, triggerRefs } = request;
    const identity = await this.#mint.serviceIdentity({
      login: `${sensorLoginPrefix}${sensorRef}`,
      role: "sensor",
      attributes: { sensor_ref: sensorRef, trigger_types: triggerRefs },
    });
    return await this.#mintFor(identity, request);
  }

  /**
   * Another token of the same family.
   *
   * @returns undefined if the identity was removed or changed: this agent may not have heard of it yet, and the new token
   *   would outlive the removal
   * @throws OperatorError if the database does not answer
   */
  async renew(
    { caller, family: inherited, identityVersion }: DecodedToken,
    grant: SensorGrant,
    ttlSeconds: number | undefined,
  ): Promise<MintedToken | undefined> {
    const request = { ...grant, ttlSeconds, family: inherited ?? caller.jti ?? undefined };
    // Another program vouches for its bearer, who may have no identity here yet.
    if (identityVersion === null) return await this.mint(request);
    const identity = await this.#mint.identity(caller.login);
    if (identity?.id !== caller.identityId || identity.tokenVersion !== identityVersion) return undefined;
    return await this.#mintFor(identity, request);
  }

  async #mintFor(
    identity: Identity,
    { sensorRef, triggerRefs, term, ttlSeconds, family }: SensorTokenRequest,
  ): Promise<MintedToken> {
    const sensorId = await this.#mint.sensorId(sensorRef);
    const lifetimeSeconds = Math.min(ttlSeconds ?? sensorTokenSecondsDefault, sensorTokenSecondsMax);
    const grant = { sensorRef, triggerRefs, term };
    return await this.#mint.mint({ use: "access", identity, grant, sensorId, lifetimeSeconds, family });
  }

  /** Ends the token and those that it was renewed by. @throws OperatorError if the database does not answer */
  async revoke(jti: string): Promise<void> {
    await this.#mint.revoke(jti, sensorTokenSecondsMax);
  }
}

/**
 * Tokens for sensors, each bound to a sensor, its triggers, and the assignment under which it runs.
 *
 * A renewed token belongs to the family of the one it renews: revoking that one ends them all.
 */
import { sensorLoginPrefix } from "../model/identity/claims.ts";
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
  async mint({ sensorRef, triggerRefs, term, ttlSeconds, family }: SensorTokenRequest): Promise<MintedToken> {
    const identity = await this.#mint.serviceIdentity({
      login: `${sensorLoginPrefix}${sensorRef}`,
      role: "sensor",
      attributes: { sensor_ref: sensorRef, trigger_types: triggerRefs },
    });
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

/**
 * Signs and verifies tokens: JSON Web Tokens with HMAC-SHA-256 (RFC 7515, 7518 section 3.2, 7519).
 *
 * Several secrets can be valid at once, so that they can be replaced one after the other without ending any token: the
 * first one signs, all verify. Nothing but HS256 is accepted, whatever a token's header asks for (RFC 8725 section 3.1).
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import { isJsonObject, type JsonObject } from "../model/json/json.ts";

const algorithm = "HS256";

export type Secrets = readonly [signs: string, ...alsoValid: string[]];

export class TokenCodec {
  readonly #keys: readonly [KeyObject, ...KeyObject[]];

  constructor([newest, ...others]: Secrets) {
    this.#keys = [keyOf(newest), ...others.map(keyOf)];
  }

  async sign(claims: JsonObject): Promise<string> {
    const header = { alg: algorithm, typ: "JWT" };
    return await new SignJWT({ ...claims }).setProtectedHeader(header).sign(this.#keys[0]);
  }

  /** @returns the claims; undefined if no secret made the signature, or the token is not valid at this time */
  async verify(token: string, nowMs: number): Promise<JsonObject | undefined> {
    for (const key of this.#keys) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [algorithm],
          requiredClaims: ["exp", "sub"],
          currentDate: new Date(nowMs),
        });
        return isJsonObject(payload) ? payload : undefined;
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error;
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) return undefined;
      }
    }
    return undefined;
  }
}

function keyOf(secret: string): KeyObject {
  return createSecretKey(secret, "utf8");
}

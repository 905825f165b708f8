/**
 * Tokens for sensors from another platform, whose API the sensors of this agent use.
 *
 *     POST   /auth/internal/sensor-token   with this worker's token: mints one
 *     DELETE /auth/token/{jti}             with the sensor's own token: ends it
 */
import { messageOf } from "../errors/caught.ts";
import { parseJson } from "../model/json/json-text.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";

export interface RemotePlatform {
  /** Without a path. */
  readonly url: string;
  /** Of a worker or an admin there. */
  readonly workerToken: string;
}

export interface RemoteTokenRequest {
  readonly sensorRef: string;
  readonly triggerRefs: readonly string[];
  readonly ttlSeconds?: number;
}

export interface RemoteToken {
  readonly token: string;
  readonly jti: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

const answerMsMax = 10_000;
const excerptLengthMax = 300;

export class RemoteTokens {
  readonly #platform: RemotePlatform;
  /** Those to be ended, by jti. The caller ends all that it gets, or they expire. */
  readonly #tokens = new Map<string, RemoteToken>();

  constructor(platform: RemotePlatform) {
    this.#platform = platform;
  }

  /** @throws Error with a sentence for the operator */
  async mint({ sensorRef, triggerRefs, ttlSeconds }: RemoteTokenRequest): Promise<RemoteToken> {
    const { url, workerToken } = this.#platform;
    const attempt = `could not get a token for the sensor from the platform at ${url}`;
    const body = {
      sensor_ref: sensorRef,
      trigger_types: triggerRefs,
      ...(ttlSeconds === undefined ? {} : { ttl_seconds: ttlSeconds }),
    };
    const answer = await this.#ask(attempt, "POST", "/auth/internal/sensor-token", workerToken, body);
    const token = decodeToken(answer);
    if (token === undefined) throw new Error(`${attempt}: its answer has no token with an id and an expiry`);
    this.#forgetExpired();
    this.#tokens.set(token.jti, token);
    return token;
  }

  /** @throws Error with a sentence for the operator */
  async revoke(jti: string): Promise<void> {
    const token = this.#tokens.get(jti);
    if (token === undefined) return;
    this.#tokens.delete(jti);
    const attempt = `could not revoke a token at the platform at ${this.#platform.url}`;
    await this.#ask(attempt, "DELETE", `/auth/token/${encodeURIComponent(jti)}`, token.token);
  }

  async #ask(
    attempt: string,
    method: string,
    path: string,
    token: string,
    body?: JsonObject,
  ): Promise<JsonValue> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(path, this.#platform.url), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "error",
        signal: AbortSignal.timeout(answerMsMax),
      });
      text = await response.text();
    } catch (error) {
      throw new Error(`${attempt}: ${reasonOf(error)}`, { cause: error });
    }
    if (!response.ok) {
      const remedy =
        response.status === 401 || response.status === 403
          ? "; set security.worker_token (ATTUNE_API_TOKEN) to a valid token of the role worker there"
          : "";
      throw new Error(
        `${attempt}: it answered ${response.status} ${text.slice(0, excerptLengthMax)}${remedy}`,
      );
    }
    return parsed(text);
  }

  #forgetExpired(): void {
    for (const { jti, expiresAtMs } of this.#tokens.values()) {
      if (expiresAtMs <= Date.now()) this.#tokens.delete(jti);
    }
  }
}

/** The failure of fetch itself says only that it failed. */
function reasonOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause instanceof Error ? error.cause : error);
}

function decodeToken(answer: JsonValue): RemoteToken | undefined {
  const data = isJsonObject(answer) ? answer["data"] : undefined;
  if (!isJsonObject(data)) return undefined;
  const { token, expires_at: expiresAt } = data;
  if (typeof token !== "string" || typeof expiresAt !== "string") return undefined;
  const expiresAtMs = Date.parse(expiresAt);
  // Read, not verified: it comes from the platform that signed it.
  const claims = parsed(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  const jti = isJsonObject(claims) ? claims["jti"] : undefined;
  if (typeof jti !== "string" || Number.isNaN(expiresAtMs)) return undefined;
  return { token, jti, expiresAtMs };
}

function parsed(text: string): JsonValue {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

/**
 * Checks who sends a request: its address, rate, certificate, token and signature, and that no signature is used twice with
 * different delivery ids.
 */
import { addressMatcher } from "../config/networks.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { claimNonces, joinNonces } from "../database/statements/webhook-limits.ts";
import { metaChallenge } from "../model/webhooks/challenge.ts";
import type { Endpoint } from "../model/webhooks/endpoint-table.ts";
import {
  checkSignature,
  isDeliveryIdSigned,
  matchesAny,
  secretBytes,
} from "../model/webhooks/signature-check.ts";
import type { IncomingWebhook } from "./incoming-webhook.ts";
import { nodeSigner } from "./node-signer.ts";
import type { RateDenial, RateLimits } from "./rate-limits.ts";
import { Refused, secretMissing, unauthorized } from "./refusal.ts";
import { plain, type WebhookAnswer } from "./webhook-answer.ts";
import type { WebhookSecrets } from "./webhook-secrets.ts";

export interface SenderCheckOptions {
  readonly database: Queryable;
  readonly secrets: Pick<WebhookSecrets, "valuesOf">;
  readonly rates: Pick<RateLimits, "take" | "known">;
}

export class SenderCheck {
  readonly #options: SenderCheckOptions;
  /** Matchers of networks by their list. */
  readonly #matchers = new WeakMap<readonly string[], (address: string) => boolean>();

  constructor(options: SenderCheckOptions) {
    this.#options = options;
  }

  /**
   * What can be checked without the body.
   *
   * @throws Refused
   */
  async admit(request: IncomingWebhook, endpoint: Endpoint): Promise<void> {
    const refusal = this.#refusalOfAddress(request, endpoint);
    if (refusal !== undefined) throw refusal;
    const { id, settings } = endpoint;
    const { rateLimit } = settings;
    if (rateLimit === null) return;
    const verdict = await this.#options.rates.take(id, rateLimit, request.remoteAddress);
    if (verdict.kind === "denied") throw tooOften(verdict);
  }

  /** What is known against the request without asking the database. It is refused, unless its rate allows it meanwhile. */
  knownRefusal(request: IncomingWebhook, endpoint: Endpoint): Refused | undefined {
    const refusal = this.#refusalOfAddress(request, endpoint);
    const { id, settings } = endpoint;
    if (refusal !== undefined || settings.rateLimit === null) return refusal;
    const denial = this.#options.rates.known(id, settings.rateLimit, request.remoteAddress);
    return denial === undefined ? undefined : tooOften(denial);
  }

  #refusalOfAddress(
    { remoteAddress }: Pick<IncomingWebhook, "remoteAddress">,
    { settings: { allowedNetworks } }: Pick<Endpoint, "settings">,
  ): Refused | undefined {
    if (allowedNetworks.length === 0 || this.#matcherOf(allowedNetworks)(remoteAddress)) return undefined;
    return new Refused({
      status: 403,
      reason: "address",
      sentence: "Requests from this address are not accepted.",
    });
  }

  #matcherOf(networks: readonly string[]): (address: string) => boolean {
    let matcher = this.#matchers.get(networks);
    if (matcher === undefined) this.#matchers.set(networks, (matcher = addressMatcher(networks)));
    return matcher;
  }

  /**
   * Meta asks once whether the endpoint knows the verify token.
   *
   * @returns undefined if the request is no challenge
   * @throws Refused
   */
  async answerMeta({ query }: IncomingWebhook, endpoint: Endpoint): Promise<WebhookAnswer | undefined> {
    const challenge = metaChallenge(query);
    if (challenge === undefined) return undefined;
    const tokens = await this.#demandSecrets(endpoint, endpoint.settings.verifyTokenRefs);
    if (!matchesAny(challenge.verifyToken, tokens.map(textBytes), nodeSigner))
      throw unauthorized("verify_token", "The verify token is not valid.");
    return plain(challenge.answer);
  }

  /**
   * @returns the nonces of the request, if its scheme has them
   * @throws Refused
   */
  async authenticate(
    request: IncomingWebhook,
    receivedAtMs: number,
    endpoint: Endpoint,
    bytes: Uint8Array,
    deliveryId: string | null,
  ): Promise<readonly string[]> {
    const { scheme, secretRefs, bearerRefs, basicRefs, certificateNames } = endpoint.settings;
    if (certificateNames !== null) demandCertificate(request, certificateNames);
    if (bearerRefs.length > 0) {
      const tokens = await this.#demandSecrets(endpoint, bearerRefs);
      const given = /^bearer +(.+)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "";
      if (!matchesAny(given, tokens.map(textBytes), nodeSigner))
        throw unauthorized("bearer", "The token is not valid.", "Bearer");
    }
    if (basicRefs.length > 0) {
      const logins = await this.#demandSecrets(endpoint, basicRefs);
      const given = /^basic +([\w+/=-]+)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "";
      if (!matchesAny(Buffer.from(given, "base64").toString(), logins.map(textBytes), nodeSigner))
        throw unauthorized("basic", "The user or the password is not valid.", 'Basic realm="webhook"');
    }
    if (scheme === null) return [];
    const values = await this.#demandSecrets(endpoint, secretRefs);
    const secrets = values.flatMap((value) => secretBytes(value, scheme) ?? []);
    if (secrets.length === 0) throw secretMissing();
    const signed = { method: request.method, path: request.fullPath, headers: request.headers, body: bytes };
    const verdict = checkSignature(scheme, secrets, signed, deliveryId, receivedAtMs, nodeSigner);
    if (verdict.kind === "valid") return verdict.nonces;
    const sentence =
      verdict.reason === "timestamp_outside"
        ? `The request was signed more than ${scheme.toleranceSeconds} s ago, or in the future.`
        : "The signature is not valid.";
    throw unauthorized(verdict.reason, sentence);
  }

  /** Without a secret nothing can be checked, so nothing is accepted; the sender's request is not at fault. */
  async #demandSecrets(endpoint: Endpoint, refs: readonly string[]): Promise<readonly string[]> {
    const values = await this.#options.secrets.valuesOf(endpoint, refs);
    if (values.length === 0) throw secretMissing();
    return values;
  }

  /**
   * Recognises a signature that was used before, also in a copy with another delivery id or without one, or with only one of
   * the signatures that a sender makes while it changes its secret.
   *
   * @param deliveryId the sender's id of the delivery; null if there is none
   * @returns the signature that the delivery is recognised by, if it has no id; null: by none
   * @throws Refused if the signature first came with another id
   */
  async claim(
    { id: endpoint, settings }: Endpoint,
    nonces: readonly string[],
    deliveryId: string | null,
  ): Promise<string | null> {
    const [nonce] = nonces;
    if (nonce === undefined) return null;
    const { scheme, deliveryId: source } = settings;
    const isIdSigned = isDeliveryIdSigned(scheme, source);
    if (deliveryId !== null && isIdSigned) return null;
    const isIdOpen = source !== null && !isIdSigned;
    // The signature is the id, and the request has no other one.
    if (!isIdOpen && (scheme?.separator ?? null) === null) return nonce;
    const keptSeconds = 2 * (scheme?.toleranceSeconds ?? 0) + 60;
    const own = deliveryId ?? nonce;
    const { database } = this.#options;
    const firsts = await rowsOf(database, claimNonces, { endpoint, nonces, deliveryId: own, keptSeconds });
    const first = firsts.find((each) => each !== own);
    if (first === undefined) return own;
    if (isIdOpen) throw unauthorized("replayed", "The signature was used before, with another delivery id.");
    if (firsts.includes(own)) await rowsOf(database, joinNonces, { endpoint, nonces, deliveryId: first });
    return first;
  }
}

function tooOften({ retrySeconds }: RateDenial): Refused {
  return new Refused({
    status: 429,
    reason: "rate",
    sentence: "Too many requests; send this one again later.",
    headers: { "retry-after": String(Math.max(1, Math.ceil(retrySeconds))) },
  });
}

function demandCertificate(request: IncomingWebhook, names: readonly string[]): void {
  const { certificateNames } = request;
  if (certificateNames === null)
    throw unauthorized("certificate", "A client certificate that the agent trusts is required.");
  if (names.length > 0 && !certificateNames.some((name) => names.includes(name)))
    throw unauthorized("certificate", "The client certificate has none of the accepted names.");
}

function textBytes(text: string): Uint8Array {
  return Buffer.from(text);
}

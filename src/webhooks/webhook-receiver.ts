/**
 * Receives requests to webhooks: finds the endpoint, checks the sender, stores the event, answers, and notes what happened.
 *
 *   request ─▶ (key: JSON) ─▶ endpoint ─▶ size ─▶ address ─▶ rate ─▶ certificate, token, signature ─▶ body ─▶ challenge
 *                 400            404       413      403       429               401                400        │
 *                                                                                                             ▼
 *                                        answer ◀── stored, duplicate, or 503: the sender should repeat it ◀─ store
 *
 * The first check that fails decides the answer. For keys the order is that of the platform's other services (and a body that
 * is too large is 400), so JSON comes first; for paths nothing of the body is read before the address and the rate are known.
 *
 * An answer of 2xx means that the event is committed. What the sender should repeat, because the database is away or the
 * agent has no room, is a 503 or 504; such a repetition is not stored twice if the sender has ids for its deliveries.
 */
import { addressMatcher } from "../config/networks.ts";
import { rowOf } from "../database/statement.ts";
import type { Queryable } from "../database/database.ts";
import { claimNonce } from "../database/statements/webhook-limits.ts";
import type { Id } from "../model/identifiers.ts";
import type { JsonObject, JsonValue } from "../model/json/json.ts";
import { metaChallenge, slackChallenge } from "../model/webhooks/challenge.ts";
import type { DeliveryRecord, DeliveryVerdict } from "../model/webhooks/delivery-record.ts";
import {
  bytesMaxDefault,
  webhookKeyPrefix,
  type EndpointSettings,
} from "../model/webhooks/endpoint-settings.ts";
import type { Endpoint, FoundEndpoint } from "../model/webhooks/endpoint-table.ts";
import {
  checkSignature,
  dedupKeyOf,
  deliveryIdOfBody,
  deliveryIdOfHeaders,
  isDeliveryIdSigned,
  matchesAny,
  secretBytes,
} from "../model/webhooks/signature-check.ts";
import { decodeBody, formOf } from "../model/webhooks/webhook-body.ts";
import { rulePayload, triggerPayload } from "../model/webhooks/webhook-payload.ts";
import type { EventPost } from "../model/sensors/posted-event.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { Clock } from "../time/clock.ts";
import type { DeliveryLog } from "./delivery-log.ts";
import { nodeSigner } from "./node-signer.ts";
import type { EventPosts, WebhookMetrics } from "./ports.ts";
import type { RateLimits } from "./rate-limits.ts";
import type { WebhookEndpoints } from "./webhook-endpoints.ts";
import type { WebhookSecrets } from "./webhook-secrets.ts";

export interface IncomingWebhook {
  readonly requestId: string;
  readonly method: string;
  /** After `/webhooks/`. */
  readonly path: string;
  /** All of it, without the query. */
  readonly fullPath: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Of the sender, as far as trusted proxies tell. */
  readonly remoteAddress: string;
  /** Names of the client's trusted certificate; null: it has none. */
  readonly certificateNames: readonly string[] | null;
  /** As announced; null: unknown. */
  readonly bodyBytes: number | null;
  /** Call it once. */
  readBody(bytesMax: number): Promise<ReadBody>;
}

export type ReadBody =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "too large" }
  /** Too many bodies are being read. */
  | { readonly kind: "no room" }
  /** The connection broke. */
  | { readonly kind: "incomplete" };

export interface WebhookAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: WebhookBody;
}

type WebhookBody =
  | { readonly kind: "json"; readonly value: JsonObject }
  | { readonly kind: "text"; readonly text: string; readonly contentType: string };

/** Why a request is not accepted: the reason goes to the log, the sentence to the sender. */
export interface WebhookRefusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 422 | 429 | 503 | 504;
  readonly reason: string;
  readonly sentence: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WebhookReceiverOptions {
  readonly database: Queryable;
  readonly endpoints: Pick<WebhookEndpoints, "find">;
  readonly secrets: Pick<WebhookSecrets, "valuesOf">;
  readonly rates: Pick<RateLimits, "take">;
  readonly posts: EventPosts;
  readonly log: Pick<DeliveryLog, "note">;
  readonly metrics: WebhookMetrics;
  readonly workerName: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The sensor in whose name the events are stored. */
const webhookSensorRef = "core.webhooks";

const loggedLengthMax = 256;

/** What is known of a request so far. */
interface Progress {
  readonly request: IncomingWebhook;
  readonly receivedAtMs: number;
  endpoint: Endpoint | undefined;
  isKey: boolean;
  bytes: number;
  deliveryId: string | null;
}

interface Stored {
  readonly eventIds: readonly Id[];
  readonly isDuplicate: boolean;
}

type Done =
  | { readonly kind: "stored"; readonly stored: Stored; readonly answer: WebhookAnswer }
  | { readonly kind: "challenge"; readonly answer: WebhookAnswer };

class Refused extends Error {
  override readonly name = "Refused";
  readonly refusal: WebhookRefusal;

  constructor(refusal: WebhookRefusal) {
    super(refusal.sentence);
    this.refusal = refusal;
  }
}

export class WebhookReceiver {
  readonly #options: WebhookReceiverOptions;
  /** Matchers of networks by their list. */
  readonly #matchers = new WeakMap<readonly string[], (address: string) => boolean>();
  readonly #outage: OutageLog;

  constructor(options: WebhookReceiverOptions) {
    this.#options = options;
    this.#outage = new OutageLog(
      {
        begins: "could not check a webhook's request; senders are told to repeat theirs",
        ends: "webhooks' requests are checked again",
      },
      options,
    );
  }

  /** Rejects only because of a bug. */
  async receive(request: IncomingWebhook): Promise<WebhookAnswer | WebhookRefusal> {
    const { clock, metrics } = this.#options;
    const startedAtMs = clock.monotonicMs();
    const progress: Progress = {
      request,
      receivedAtMs: clock.nowMs(),
      endpoint: undefined,
      isKey: request.path.startsWith(webhookKeyPrefix),
      bytes: request.bodyBytes ?? 0,
      deliveryId: null,
    };
    const outcome = await this.#outcomeOf(progress);
    const seconds = (clock.monotonicMs() - startedAtMs) / 1_000;
    const verdict = verdictOf(outcome);
    metrics.webhookAnswered(verdict, seconds);
    if ("reason" in outcome) metrics.webhookRefused(outcome.reason);
    this.#options.log.note(this.#recordOf(progress, outcome, verdict, seconds));
    return "reason" in outcome ? outcome : outcome.answer;
  }

  async #outcomeOf(progress: Progress): Promise<Done | WebhookRefusal> {
    try {
      const { path, method } = progress.request;
      const found = await this.#options.endpoints.find(path, method);
      progress.isKey ||= found.kind === "found" && found.isKey;
      const done = await (progress.isKey
        ? this.#receiveByKey(progress, found)
        : this.#receiveByPath(progress, found));
      this.#outage.recovered();
      return done;
    } catch (error) {
      if (error instanceof Refused) return error.refusal;
      // The endpoints, the secrets or the rate limits cannot be read.
      this.#outage.failed({ error });
      return {
        status: 503,
        reason: "unavailable",
        sentence: "The agent cannot check the request now; send it again later.",
      };
    }
  }

  async #receiveByKey(progress: Progress, found: FoundEndpoint): Promise<Done> {
    const endpoint = found.kind === "found" ? found.endpoint : undefined;
    const read = await this.#readBody(progress, endpoint?.settings.bytesMax ?? bytesMaxDefault);
    const body = read === "too large" ? undefined : decoded(read, endpoint?.settings ?? null, "json");
    progress.endpoint = demandFound(found);
    if (read === "too large" || body === undefined) throw tooLarge(400, progress.endpoint.settings.bytesMax);
    await this.#admit(progress, progress.endpoint);
    return this.#complete(progress, progress.endpoint, read, body);
  }

  async #receiveByPath(progress: Progress, found: FoundEndpoint): Promise<Done> {
    const { request } = progress;
    const endpoint = demandFound(found);
    progress.endpoint = endpoint;
    const { settings } = endpoint;
    if (
      found.kind === "found" &&
      found.allowedOtherwise !== null &&
      metaChallenge(request.query) === undefined
    )
      throw otherMethod(found.allowedOtherwise);
    if ((request.bodyBytes ?? 0) > settings.bytesMax) throw tooLarge(413, settings.bytesMax);
    await this.#admit(progress, endpoint);
    const read = await this.#readBody(progress, settings.bytesMax);
    if (read === "too large") throw tooLarge(413, settings.bytesMax);
    return this.#complete(progress, endpoint, read, undefined);
  }

  async #readBody({ request }: Progress, bytesMax: number): Promise<Uint8Array | "too large"> {
    const read = await request.readBody(bytesMax);
    switch (read.kind) {
      case "read":
        return read.bytes;
      case "too large":
        return "too large";
      case "no room":
        throw noRoom();
      case "incomplete":
        throw new Refused({
          status: 400,
          reason: "body_incomplete",
          sentence: "The body did not arrive completely.",
        });
    }
  }

  /** What can be checked without the body. */
  async #admit({ request }: Progress, { id, settings }: Endpoint): Promise<void> {
    const { allowedNetworks, rateLimit } = settings;
    if (allowedNetworks.length > 0 && !this.#matcherOf(allowedNetworks)(request.remoteAddress))
      throw new Refused({
        status: 403,
        reason: "address",
        sentence: "Requests from this address are not accepted.",
      });
    if (rateLimit === null) return;
    const verdict = await this.#options.rates.take(id, rateLimit, request.remoteAddress);
    if (verdict.kind === "passes") return;
    throw new Refused({
      status: 429,
      reason: "rate",
      sentence: "Too many requests; send this one again later.",
      headers: { "retry-after": String(Math.max(1, Math.ceil(verdict.retrySeconds))) },
    });
  }

  #matcherOf(networks: readonly string[]): (address: string) => boolean {
    let matcher = this.#matchers.get(networks);
    if (matcher === undefined) this.#matchers.set(networks, (matcher = addressMatcher(networks)));
    return matcher;
  }

  async #complete(
    progress: Progress,
    endpoint: Endpoint,
    bytes: Uint8Array,
    given: JsonValue | undefined,
  ): Promise<Done> {
    const { request } = progress;
    const { settings } = endpoint;
    progress.bytes = bytes.length;
    if (settings.challenge === "meta" && request.method === "GET") {
      const answer = await this.#answerMeta(request, settings);
      if (answer !== undefined) return { kind: "challenge", answer };
    }
    const headerId = deliveryIdOfHeaders(settings.deliveryId, request.headers);
    progress.deliveryId = headerId;
    const nonce = await this.#authenticate(progress, settings, bytes, headerId);
    const body = given ?? decoded(bytes, settings, undefined, request.headers["content-type"]);
    const deliveryId = headerId ?? deliveryIdOfBody(settings.deliveryId, body);
    progress.deliveryId = deliveryId;
    if (settings.challenge === "slack") {
      const challenge = slackChallenge(body);
      if (challenge !== undefined) return { kind: "challenge", answer: plain(challenge) };
    }
    if (deliveryId !== null && nonce !== null && !isDeliveryIdSigned(settings.scheme, settings.deliveryId))
      await this.#claim(endpoint, nonce, deliveryId);
    const stored = await this.#store(progress, endpoint, body, deliveryId, nonce);
    return { kind: "stored", stored, answer: answerOf(progress, endpoint, stored) };
  }

  async #answerMeta(
    { query }: IncomingWebhook,
    { verifyTokenRefs }: EndpointSettings,
  ): Promise<WebhookAnswer | undefined> {
    const challenge = metaChallenge(query);
    if (challenge === undefined) return undefined;
    const tokens = await this.#demandSecrets(verifyTokenRefs);
    if (!matchesAny(challenge.verifyToken, tokens.map(textBytes), nodeSigner))
      throw unauthorized("verify_token", "The verify token is not valid.");
    return plain(challenge.answer);
  }

  /** @returns the nonce of the request, if its scheme has one */
  async #authenticate(
    { request, receivedAtMs }: Progress,
    { scheme, secretRefs, bearerRefs, basicRefs, certificateNames }: EndpointSettings,
    bytes: Uint8Array,
    deliveryId: string | null,
  ): Promise<string | null> {
    if (certificateNames !== null) demandCertificate(request, certificateNames);
    if (bearerRefs.length > 0) {
      const tokens = await this.#demandSecrets(bearerRefs);
      const given = /^bearer +(.+)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "";
      if (!matchesAny(given, tokens.map(textBytes), nodeSigner))
        throw unauthorized("bearer", "The token is not valid.", "Bearer");
    }
    if (basicRefs.length > 0) {
      const logins = await this.#demandSecrets(basicRefs);
      const given = /^basic +([\w+/=-]+)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "";
      if (!matchesAny(Buffer.from(given, "base64").toString(), logins.map(textBytes), nodeSigner))
        throw unauthorized("basic", "The user or the password is not valid.", 'Basic realm="webhook"');
    }
    if (scheme === null) return null;
    const values = await this.#demandSecrets(secretRefs);
    const secrets = values.flatMap((value) => secretBytes(value, scheme) ?? []);
    if (secrets.length === 0) throw secretMissing();
    const signed = { method: request.method, path: request.fullPath, headers: request.headers, body: bytes };
    const verdict = checkSignature(scheme, secrets, signed, deliveryId, receivedAtMs, nodeSigner);
    if (verdict.kind === "valid") return verdict.nonce;
    const sentence =
      verdict.reason === "timestamp_outside"
        ? `The request was signed more than ${scheme.toleranceSeconds} s ago, or in the future.`
        : "The signature is not valid.";
    throw unauthorized(verdict.reason, sentence);
  }

  /** Without a secret nothing can be checked, so nothing is accepted; the sender's request is not at fault. */
  async #demandSecrets(refs: readonly string[]): Promise<readonly string[]> {
    const values = await this.#options.secrets.valuesOf(refs);
    if (values.length === 0) throw secretMissing();
    return values;
  }

  /** Only the id that came first with a signature is accepted with it. */
  async #claim({ id, settings }: Endpoint, nonce: string, deliveryId: string): Promise<void> {
    const keptSeconds = 2 * (settings.scheme?.toleranceSeconds ?? 0) + 60;
    const first = await rowOf(this.#options.database, claimNonce, {
      endpoint: id,
      nonce,
      deliveryId,
      keptSeconds,
    });
    if (first !== undefined && first !== deliveryId)
      throw unauthorized("replayed", "The signature was used before, with another delivery id.");
  }

  async #store(
    { request, receivedAtMs, bytes }: Progress,
    endpoint: Endpoint,
    body: JsonValue,
    deliveryId: string | null,
    nonce: string | null,
  ): Promise<Stored> {
    const { triggerRef, rules, settings, id } = endpoint;
    const caller = `webhook:${id}`;
    if (!this.#options.posts.hasRoom(caller, bytes)) throw noRoom();
    const received = {
      method: request.method,
      path: request.path,
      query: request.query,
      headers: request.headers,
      body,
      deliveryId,
      remoteAddress: request.remoteAddress,
      receivedAt: new Date(receivedAtMs).toISOString(),
    };
    const payload = rules === null ? triggerPayload(body) : rulePayload(received, settings);
    const targets = rules === null ? [id] : rules.map((rule) => `rule_${rule.id}`);
    const posts = targets.map((target): EventPost => ({
      kind: "event",
      origin: { kind: "person", sensorRef: webhookSensorRef },
      event: {
        triggerRef,
        payload,
        triggerInstanceId: rules === null ? null : target,
        dedupKey: dedupKeyOf(target, deliveryId, nonce),
        occurredAt: null,
        checkpoint: undefined,
      },
    }));
    const outcomes = await this.#options.posts.store({ caller, posts, bytes });
    const eventIds: Id[] = [];
    let isDuplicate = true;
    for (const outcome of outcomes) {
      if (outcome.kind === "stored" || outcome.kind === "duplicate") {
        eventIds.push(outcome.eventId);
        isDuplicate &&= outcome.kind === "duplicate";
      } else if (outcome.kind === "refused") {
        throw new Refused({
          status: 422,
          reason: "unstorable",
          sentence: `The event cannot be stored: ${outcome.reason}.`,
        });
      } else if (outcome.kind === "unknown") {
        throw new Refused({
          status: 504,
          reason: "outcome_unknown",
          sentence: "The event was not stored in time, and may be stored or not; send it again.",
        });
      } else {
        throw noRoom();
      }
    }
    return { eventIds, isDuplicate };
  }

  #recordOf(
    { request, receivedAtMs, endpoint, isKey, bytes, deliveryId }: Progress,
    outcome: Done | WebhookRefusal,
    verdict: DeliveryVerdict,
    seconds: number,
  ): DeliveryRecord {
    const eventIds = "reason" in outcome || outcome.kind === "challenge" ? [] : outcome.stored.eventIds;
    return {
      requestId: storable(request.requestId),
      deliveryId: deliveryId ?? null,
      verdict,
      reason: "reason" in outcome ? outcome.reason : null,
      triggerRef: endpoint?.triggerRef ?? null,
      ruleRef: endpoint?.rules?.[0]?.ref ?? null,
      method: storable(request.method),
      path: isKey ? null : storable(request.path),
      eventId: eventIds[0] ?? null,
      eventCount: eventIds.length,
      remoteAddress: storable(request.remoteAddress),
      bytes,
      seconds,
      status: "reason" in outcome ? outcome.status : outcome.answer.status,
      requests: 1,
      workerName: this.#options.workerName,
      createdAt: new Date(receivedAtMs),
    };
  }
}

function demandFound(found: FoundEndpoint): Endpoint {
  if (found.kind === "found") return found.endpoint;
  if (found.kind === "other method") throw otherMethod(found.allowed);
  throw new Refused({ status: 404, reason: "unknown_endpoint", sentence: "There is no such webhook." });
}

function otherMethod(allowed: readonly string[]): Refused {
  const allow = allowed.join(", ");
  return new Refused({
    status: 405,
    reason: "method",
    sentence: `This webhook answers ${allow} only.`,
    headers: { allow },
  });
}

function verdictOf(outcome: Done | WebhookRefusal): DeliveryVerdict {
  if ("reason" in outcome) return outcome.status >= 500 ? "failed" : "refused";
  if (outcome.kind === "challenge") return "challenge";
  return outcome.stored.isDuplicate ? "duplicate" : "accepted";
}

function demandCertificate(request: IncomingWebhook, names: readonly string[]): void {
  const { certificateNames } = request;
  if (certificateNames === null)
    throw unauthorized("certificate", "A client certificate that the agent trusts is required.");
  if (names.length > 0 && !certificateNames.some((name) => names.includes(name)))
    throw unauthorized("certificate", "The client certificate has none of the accepted names.");
}

function decoded(
  bytes: Uint8Array,
  settings: EndpointSettings | null,
  fixed: "json" | undefined,
  contentType?: string,
): JsonValue {
  const form = fixed ?? formOf(settings?.bodyForm ?? "auto", contentType);
  if (form === null)
    throw new Refused({
      status: 415,
      reason: "content_type",
      sentence: "The body must be JSON, a form or text, as its Content-Type says.",
    });
  const body = decodeBody(bytes, form, settings?.formField ?? null);
  if (body.kind === "valid") return body.value;
  throw new Refused({
    status: 400,
    reason: "body",
    sentence: `The body cannot be used: ${body.problem}.`,
  });
}

function answerOf(
  { receivedAtMs, deliveryId }: Progress,
  { triggerRef, settings }: Endpoint,
  { eventIds, isDuplicate }: Stored,
): WebhookAnswer {
  const [eventId = "0"] = eventIds;
  const headers = {
    "x-event-id": eventId,
    ...(isDuplicate ? { "x-deduplicated": "true" } : {}),
  };
  const { reply } = settings;
  if (reply !== null && reply.body !== null)
    return {
      status: reply.status,
      headers,
      body: { kind: "text", text: reply.body, contentType: reply.contentType },
    };
  const data: JsonObject = {
    event_id: idValue(eventId),
    trigger_ref: triggerRef,
    received_at: new Date(receivedAtMs).toISOString(),
    message: isDuplicate ? "This delivery was stored before; the event is the first one's." : "Event stored.",
    ...(deliveryId === null ? {} : { delivery_id: deliveryId }),
    ...(isDuplicate ? { deduplicated: true } : {}),
    ...(eventIds.length > 1 ? { event_ids: eventIds.map(idValue) } : {}),
  };
  return { status: reply?.status ?? 200, headers, body: { kind: "json", value: { data } } };
}

function idValue(id: Id): number | string {
  const number = Number(id);
  return Number.isSafeInteger(number) ? number : id;
}

function plain(text: string): WebhookAnswer {
  return { status: 200, headers: {}, body: { kind: "text", text, contentType: "text/plain; charset=utf-8" } };
}

function tooLarge(status: 400 | 413, bytesMax: number): Refused {
  return new Refused({
    status,
    reason: "size",
    sentence: `The body is larger than ${bytesMax} bytes.`,
  });
}

function noRoom(): Refused {
  return new Refused({
    status: 503,
    reason: "no_room",
    sentence: "The event was not stored and will not be; send it again later.",
  });
}

function secretMissing(): Refused {
  return new Refused({
    status: 503,
    reason: "secret_missing",
    sentence: "The webhook's secret is not in the key store.",
  });
}

function unauthorized(reason: string, sentence: string, challenge?: string): Refused {
  const headers = challenge === undefined ? {} : { "www-authenticate": challenge };
  return new Refused({ status: 401, reason, sentence, headers });
}

function textBytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** PostgreSQL has no NUL, and an attacker's text must not fill the log. */
function storable(text: string): string {
  return text.replaceAll("\0", "�").slice(0, loggedLengthMax).toWellFormed();
}

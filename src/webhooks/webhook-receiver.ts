/**
 * Receives requests to webhooks: finds the endpoint, checks the sender, stores the event, answers, and logs the delivery.
 *
 *   request ─▶ (key: JSON) ─▶ endpoint ─▶ size ─▶ address ─▶ rate ─▶ certificate, token, signature ─▶ body ─▶ challenge
 *                 400            404       413      403       429               401                400        │
 *                                                                                                             ▼
 *                                        answer ◀── stored, duplicate, or 503: the sender should repeat it ◀─ store
 *
 * The first check that fails decides the answer. For keys, JSON comes first, and a body that is too large is 400, as in
 * the platform's other services. For paths, nothing of the body is read before the address and the rate are checked.
 *
 * A request with an unknown key, from a wrong address, or known to come too often is refused whatever its body holds; the body
 * decides only how. Such bodies have little room of their own, and beyond it are not read: anyone could fill the room of the
 * others with them.
 *
 * 2xx means that the event is committed. 503 and 504 ask the sender to repeat the request, because the database is
 * unreachable or the agent has no room. If the sender gives its deliveries ids, a repetition is not stored twice.
 */
import type { Id } from "../model/identifiers.ts";
import type { JsonValue } from "../model/json/json.ts";
import { metaChallenge, slackChallenge } from "../model/webhooks/challenge.ts";
import type { DeliveryRecord, DeliveryVerdict } from "../model/webhooks/delivery-record.ts";
import {
  bytesMaxDefault,
  webhookKeyPrefix,
  type EndpointSettings,
} from "../model/webhooks/endpoint-settings.ts";
import type { Endpoint, FoundEndpoint } from "../model/webhooks/endpoint-table.ts";
import { dedupKeyOf, deliveryIdOfBody, deliveryIdOfHeaders } from "../model/webhooks/signature-check.ts";
import { isCompressed } from "../model/texts/content-coding.ts";
import { decodeBody, formOf } from "../model/webhooks/webhook-body.ts";
import { rulePayload, triggerPayload } from "../model/webhooks/webhook-payload.ts";
import type { EventPost } from "../model/sensors/posted-event.ts";
import { traceContext } from "../model/trace-context.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { Clock } from "../time/clock.ts";
import type { DeliveryLog } from "./delivery-log.ts";
import type { IncomingWebhook } from "./incoming-webhook.ts";
import type { EventPosts, WebhookMetrics } from "./ports.ts";
import { noRoom, otherMethod, Refused, tooLarge, unknownEndpoint, type WebhookRefusal } from "./refusal.ts";
import { SenderCheck, type SenderCheckOptions } from "./sender-check.ts";
import { answerOf, plain, type Stored, type WebhookAnswer } from "./webhook-answer.ts";
import type { WebhookEndpoints } from "./webhook-endpoints.ts";

export interface WebhookReceiverOptions extends SenderCheckOptions {
  readonly endpoints: Pick<WebhookEndpoints, "find">;
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

type Done =
  | { readonly kind: "stored"; readonly stored: Stored; readonly answer: WebhookAnswer }
  | { readonly kind: "challenge"; readonly answer: WebhookAnswer };

export class WebhookReceiver {
  readonly #options: WebhookReceiverOptions;
  readonly #senders: SenderCheck;
  readonly #outage: OutageLog;

  constructor(options: WebhookReceiverOptions) {
    this.#options = options;
    this.#senders = new SenderCheck(options);
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
    const { request } = progress;
    if (found.kind === "other method") throw otherMethod(found.allowed);
    const endpoint = found.kind === "found" ? found.endpoint : undefined;
    progress.endpoint = endpoint;
    const refusal =
      endpoint === undefined ? unknownEndpoint() : this.#senders.knownRefusal(request, endpoint);
    const bytesMax = endpoint?.settings.bytesMax ?? bytesMaxDefault;
    const read = await this.#readBody(progress, bytesMax, refusal);
    const body =
      read === "too large" ? undefined : decoded(read, endpoint?.settings ?? null, "json", request.headers);
    if (endpoint === undefined) throw unknownEndpoint();
    if (read === "too large" || body === undefined) throw tooLarge(400, bytesMax);
    await this.#senders.admit(request, endpoint);
    return this.#complete(progress, endpoint, read, body);
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
    await this.#senders.admit(request, endpoint);
    const read = await this.#readBody(progress, settings.bytesMax);
    if (read === "too large") throw tooLarge(413, settings.bytesMax);
    return this.#complete(progress, endpoint, read, undefined);
  }

  /** @param refusal of the request, whatever its body holds */
  async #readBody(
    { request }: Progress,
    bytesMax: number,
    refusal?: Refused,
  ): Promise<Uint8Array | "too large"> {
    const read = await request.readBody(bytesMax, refusal !== undefined);
    switch (read.kind) {
      case "read":
        return read.bytes;
      case "too large":
        return "too large";
      case "no room":
        throw refusal ?? noRoom();
      case "incomplete":
        throw new Refused({
          status: 400,
          reason: "body_incomplete",
          sentence: "The body did not arrive completely.",
        });
    }
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
      const answer = await this.#senders.answerMeta(request, endpoint);
      if (answer !== undefined) return { kind: "challenge", answer };
    }
    const headerId = deliveryIdOfHeaders(settings.deliveryId, request.headers);
    progress.deliveryId = headerId;
    const nonces = await this.#senders.authenticate(
      request,
      progress.receivedAtMs,
      endpoint,
      bytes,
      headerId,
    );
    const body = given ?? decoded(bytes, settings, undefined, request.headers);
    const deliveryId = headerId ?? deliveryIdOfBody(settings.deliveryId, body);
    progress.deliveryId = deliveryId;
    if (settings.challenge === "slack") {
      const challenge = slackChallenge(body);
      if (challenge !== undefined) return { kind: "challenge", answer: plain(challenge) };
    }
    const nonce = await this.#senders.claim(endpoint, nonces, deliveryId);
    const stored = await this.#store(progress, endpoint, body, deliveryId, nonce);
    return { kind: "stored", stored, answer: answerOf(progress, endpoint, stored) };
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
    const trace = traceContext(request.headers["traceparent"], request.headers["tracestate"]);
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
        trace,
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
  throw unknownEndpoint();
}

function verdictOf(outcome: Done | WebhookRefusal): DeliveryVerdict {
  if ("reason" in outcome) return outcome.status >= 500 ? "failed" : "refused";
  if (outcome.kind === "challenge") return "challenge";
  return outcome.stored.isDuplicate ? "duplicate" : "accepted";
}

function decoded(
  bytes: Uint8Array,
  settings: EndpointSettings | null,
  fixed: "json" | undefined,
  headers: IncomingWebhook["headers"],
): JsonValue {
  const form = fixed ?? formOf(settings?.bodyForm ?? "auto", headers["content-type"]);
  if (form === null)
    throw new Refused({
      status: 415,
      reason: "content_type",
      sentence: "The body must be JSON, a form or text, as its Content-Type says.",
    });
  const body = decodeBody(bytes, form, settings?.formField ?? null);
  if (body.kind === "valid") return body.value;
  // Only then, because some senders name a coding that they do not use.
  if (isCompressed(headers["content-encoding"]))
    throw new Refused({
      status: 415,
      reason: "content_encoding",
      sentence: "The body is compressed, as its Content-Encoding says; send it uncompressed.",
      headers: { "accept-encoding": "identity" },
    });
  throw new Refused({
    status: 400,
    reason: "body",
    sentence: `The body cannot be used: ${body.problem}.`,
  });
}

/** PostgreSQL has no NUL, and an attacker's text must not fill the log. */
function storable(text: string): string {
  return text.replaceAll("\0", "�").slice(0, loggedLengthMax).toWellFormed();
}

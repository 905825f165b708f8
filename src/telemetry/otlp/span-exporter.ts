/**
 * Sends spans to an OTLP/HTTP receiver, without ever delaying its callers.
 *
 *   added ──room──▶ queued ──▶ in a request ──answered 2xx──▶ exported
 *     │                            │  └──no answer, 429, 5xx──▶ the same request again after a pause, `attemptsMax` times
 *     └──no room──▶ dropped ◀──────┴──any other answer
 *
 * The queue is bounded, and one request is under way at a time; what finds no room is dropped and counted. An unreachable
 * receiver costs its log line, and memory for the queue.
 *
 * A request of more than a kilobyte is compressed with gzip, outside the event loop. A receiver that answers 415 gets this
 * request again and all later ones uncompressed.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { decodeJson } from "../../model/json/json-text.ts";
import { isJsonObject } from "../../model/json/json.ts";
import type { Clock } from "../../time/clock.ts";
import type { Logger } from "../logger.ts";
import { OutageLog } from "../outage-log.ts";
import { exportRequest, type Span, type SpanResource } from "./span.ts";

export interface SpanMetrics {
  readonly spansExported: (count: number) => void;
  readonly spansDropped: (count: number) => void;
}

export interface SpanExporterOptions {
  /** Of the receiver; `/v1/traces` is added unless it ends so. */
  readonly endpoint: string;
  readonly resource: SpanResource;
  readonly metrics: SpanMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

export const queuedMax = 8_192;
const requestSpansMax = 1_024;
/** Spans wait this long for others to share a request. */
const gatherMs = 500;
const requestLimitMs = 10_000;
const attemptsMax = 5;
const pauseMsFirst = 1_000;
/** At the stop, for the request under way and what is still queued. */
const flushLimitMs = 2_000;
const answerLengthMax = 1_024;
/** Smaller requests cost more to compress than they save. */
const plainBytesMax = 1_024;
const unsupportedMediaType = 415;

const compressed = promisify(gzip);

export class SpanExporter {
  readonly #options: SpanExporterOptions;
  readonly #url: string;
  readonly #outage: OutageLog;
  #queue: Span[] = [];
  #isGzipUnderstood = true;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    const base = options.endpoint.replace(/\/$/, "");
    this.#url = base.endsWith("/v1/traces") ? base : `${base}/v1/traces`;
    this.#outage = new OutageLog(
      {
        begins: "could not export spans; what the receiver does not take is dropped and counted",
        ends: "spans are exported again",
      },
      options,
    );
  }

  add(spans: readonly Span[]): void {
    if (this.#queue.length + spans.length > queuedMax) this.#options.metrics.spansDropped(spans.length);
    else this.#queue.push(...spans);
  }

  /** Exports until the signal aborts, and then what is queued, within a moment. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    // Also for the request under way at the stop, which a receiver that does not answer would delay.
    const flush = new AbortController();
    const limit = flush.signal;
    const endSoon = (): void => {
      const soon = AbortSignal.timeout(flushLimitMs);
      soon.addEventListener("abort", () => flush.abort(soon.reason), { once: true });
    };
    if (signal.aborted) endSoon();
    else signal.addEventListener("abort", endSoon, { once: true });
    while (!signal.aborted) {
      await clock.sleep(gatherMs, signal);
      while (this.#queue.length > 0 && !signal.aborted) await this.#export(this.#take(), signal, limit);
    }
    while (this.#queue.length > 0) {
      const spans = this.#take();
      this.#settle(spans, limit.aborted ? "again" : await this.#send(spans, limit));
    }
  }

  #take(): readonly Span[] {
    const taken = this.#queue.slice(0, requestSpansMax);
    this.#queue = this.#queue.slice(requestSpansMax);
    return taken;
  }

  async #export(spans: readonly Span[], signal: AbortSignal, limit: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#send(spans, AbortSignal.any([limit, AbortSignal.timeout(requestLimitMs)]));
      if (outcome !== "again" || attempt === attemptsMax || signal.aborted)
        return this.#settle(spans, outcome);
      await this.#options.clock.sleep(pauseMsFirst * 2 ** (attempt - 1), signal);
    }
  }

  #settle(spans: readonly Span[], outcome: SendOutcome): void {
    const { metrics } = this.#options;
    const rejected = typeof outcome === "number" ? Math.min(outcome, spans.length) : spans.length;
    if (rejected > 0) metrics.spansDropped(rejected);
    if (rejected < spans.length) metrics.spansExported(spans.length - rejected);
  }

  async #send(spans: readonly Span[], limit: AbortSignal): Promise<SendOutcome> {
    try {
      const body = Buffer.from(exportRequest(spans, this.#options.resource));
      const isCompressed = this.#isGzipUnderstood && body.length > plainBytesMax;
      const response = await fetch(this.#url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(isCompressed ? { "content-encoding": "gzip" } : {}),
        },
        body: isCompressed ? await compressed(body) : body,
        redirect: "error",
        signal: limit,
      });
      const answer = await answerOf(response);
      if (isCompressed && response.status === unsupportedMediaType) {
        this.#isGzipUnderstood = false;
        return await this.#send(spans, limit);
      }
      if (!response.ok) {
        this.#fail({ reason: `the receiver answers ${response.status}`, answer });
        return response.status === 429 || response.status >= 500 ? "again" : "dropped";
      }
      const { rejected, message } = rejectionOf(answer);
      if (rejected > 0)
        this.#fail({ reason: `the receiver rejects ${rejected} of ${spans.length}`, answer: message });
      else this.#outage.recovered();
      return rejected;
    } catch (error) {
      this.#fail({ error });
      return "again";
    }
  }

  #fail(fields: object): void {
    this.#outage.failed({ ...fields, receiver: this.#url });
  }
}

/** A number: accepted, except for so many. */
type SendOutcome = number | "again" | "dropped";

/** The beginning of what the receiver says: something else may listen there, and send without an end. */
async function answerOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > answerLengthMax) break;
  }
  return text.slice(0, answerLengthMax);
}

/** A receiver that takes only some says so in `partialSuccess`. */
function rejectionOf(answer: string): { readonly rejected: number; readonly message: string } {
  const none = { rejected: 0, message: "" };
  const decoded = decodeJson(answer === "" ? "{}" : answer);
  if (decoded.kind === "invalid" || !isJsonObject(decoded.value)) return none;
  const { partialSuccess } = decoded.value;
  if (!isJsonObject(partialSuccess)) return none;
  const { rejectedSpans = 0, errorMessage } = partialSuccess;
  const count = Number(rejectedSpans);
  if (!Number.isSafeInteger(count) || count <= 0) return none;
  return { rejected: count, message: typeof errorMessage === "string" ? errorMessage : "" };
}

/**
 * Sends spans to an OTLP/HTTP receiver, without ever delaying its callers.
 *
 *   added ──room──▶ queued ──▶ in a request ──answered 2xx──▶ exported
 *     │                            │  └──no answer, 429, 5xx──▶ the same request again after a pause, `attemptsMax` times
 *     └──no room──▶ dropped ◀──────┴──any other answer
 *
 * The queue is bounded, and one request is under way at a time; what finds no room is dropped and counted. An unreachable
 * receiver costs its log line, and memory for the queue.
 */
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
/** At the stop, for what is still queued. */
const flushLimitMs = 2_000;

export class SpanExporter {
  readonly #options: SpanExporterOptions;
  readonly #url: string;
  readonly #outage: OutageLog;
  #queue: Span[] = [];

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    const base = options.endpoint.replace(/\/$/, "");
    this.#url = base.endsWith("/v1/traces") ? base : `${base}/v1/traces`;
    this.#outage = new OutageLog(
      {
        begins: "could not export spans; they are tried again, and dropped when there are too many",
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
    while (!signal.aborted) {
      await clock.sleep(gatherMs, signal);
      while (this.#queue.length > 0 && !signal.aborted) await this.#export(this.#take(), signal);
    }
    const limit = AbortSignal.timeout(flushLimitMs);
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

  async #export(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#send(spans, AbortSignal.timeout(requestLimitMs));
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
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: exportRequest(spans, this.#options.resource),
        redirect: "error",
        signal: limit,
      });
      const body = await response.text();
      if (response.ok) {
        this.#outage.recovered();
        return rejectedCount(body);
      }
      this.#outage.failed({ reason: `the receiver answers ${response.status}` });
      return response.status === 429 || response.status >= 500 ? "again" : "dropped";
    } catch (error) {
      this.#outage.failed({ error });
      return "again";
    }
  }
}

/** A number: accepted, except for so many. */
type SendOutcome = number | "again" | "dropped";

/** A receiver that takes only some says so in `partialSuccess`. */
function rejectedCount(body: string): number {
  const answer = decodeJson(body === "" ? "{}" : body);
  if (answer.kind === "invalid" || !isJsonObject(answer.value)) return 0;
  const { partialSuccess } = answer.value;
  const count = isJsonObject(partialSuccess) ? Number(partialSuccess["rejectedSpans"] ?? 0) : 0;
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

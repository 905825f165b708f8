/**
 * The way of each stored event as spans:
 *
 *   event    accepted ─────────────────────────────────────────▶ last message confirmed
 *   batch    accepted ──▶ its statement is sent
 *   commit                its statement is sent ──▶ committed
 *   confirm                                         committed ──▶ last message confirmed
 *
 * The event's span is a child of the span that its `traceparent` names. Without one, the trace id is the event's message id, so
 * that the trace of any event can be found.
 *
 * An event waits here until all its messages are confirmed. Some never are: another process publishes them, or the broker
 * refuses them. So when there is no room for a new event, the oldest gives way if it has waited for `overdueMs`. Otherwise the
 * new one is dropped: if the oldest always gave way, a load beyond `waitingMax` would push out each event just before its
 * confirms, and nothing would be exported. What is dropped is counted.
 */
import { randomBytes } from "node:crypto";
import { messageId, type Id } from "../../model/identifiers.ts";
import { traceIdOf, type TraceContext } from "../../model/trace-context.ts";
import type { Clock } from "../../time/clock.ts";
import { count, text, unixNano, type Attribute, type Span } from "./span.ts";
import type { SpanMetrics } from "./span-exporter.ts";

export interface StoredEventFacts {
  readonly eventId: Id;
  readonly enforcementIds: readonly Id[];
  readonly triggerRef: string;
  readonly sensorRef: string | null;
  readonly trace: TraceContext | undefined;
  /** Monotonic milliseconds, as the next. */
  readonly acceptedAtMs: number;
  readonly attemptedAtMs: number;
}

export interface EventSpansOptions {
  readonly exporter: { add(spans: readonly Span[]): void };
  readonly installationId: string;
  /** Of events without a trace: from 0 to 1. Traces say for themselves whether they are sampled. */
  readonly sampleRatio: number;
  readonly metrics: Pick<SpanMetrics, "spansDropped">;
  readonly clock: Clock;
  readonly random: () => number;
}

interface WaitingEvent extends StoredEventFacts {
  readonly ownId: string;
  readonly messageIds: readonly string[];
  readonly committedAtMs: number;
  unconfirmed: number;
}

/** Messages. */
const waitingMax = 4_096;
/** An event that waits this long probably waits in vain. */
const overdueMs = 60_000;
const spansOfEvent = 4;

export class EventSpans {
  readonly #options: EventSpansOptions;
  /** By the id of each of its messages, the oldest first. */
  readonly #waiting = new Map<string, WaitingEvent>();

  constructor(options: EventSpansOptions) {
    this.#options = options;
  }

  /** To be called before the event's messages are sent, or their confirms are missed. */
  stored(event: StoredEventFacts): void {
    const { installationId, metrics, clock } = this.#options;
    if (!this.#isSampled(event.trace)) return;
    const ownId = messageId(installationId, "event", event.eventId);
    const ofEnforcements = event.enforcementIds.map((id) => messageId(installationId, "enforcement", id));
    const messageIds = [ownId, ...ofEnforcements];
    const committedAtMs = clock.monotonicMs();
    if (!this.#hasRoomFor(messageIds.length, committedAtMs)) {
      metrics.spansDropped(spansOfEvent);
      return;
    }
    const waiting = { ...event, ownId, messageIds, committedAtMs, unconfirmed: messageIds.length };
    for (const id of messageIds) this.#waiting.set(id, waiting);
  }

  /** The broker has the message. */
  confirmed(id: string): void {
    const event = this.#waiting.get(id);
    if (event === undefined) return;
    this.#waiting.delete(id);
    event.unconfirmed -= 1;
    if (event.unconfirmed === 0) this.#options.exporter.add(this.#spansOf(event));
  }

  /** Drops overdue events as far as it takes. */
  #hasRoomFor(messages: number, nowMs: number): boolean {
    if (messages > waitingMax) return false;
    for (const oldest of this.#waiting.values()) {
      if (this.#waiting.size + messages <= waitingMax) break;
      if (nowMs - oldest.committedAtMs < overdueMs) return false;
      for (const id of oldest.messageIds) this.#waiting.delete(id);
      this.#options.metrics.spansDropped(spansOfEvent);
    }
    return true;
  }

  #isSampled(trace: TraceContext | undefined): boolean {
    if (trace === undefined) return this.#options.random() < this.#options.sampleRatio;
    return (Number.parseInt(trace.traceparent.slice(-2), 16) & 1) === 1;
  }

  #spansOf(event: WaitingEvent): readonly Span[] {
    const { clock } = this.#options;
    const { trace, acceptedAtMs, attemptedAtMs, committedAtMs } = event;
    const endedAtMs = clock.monotonicMs();
    const wallMs = clock.nowMs() - endedAtMs;
    const traceId = trace === undefined ? event.ownId.replaceAll("-", "") : traceIdOf(trace);
    const ownSpanId = spanId();
    const span = (
      name: string,
      [fromMs, toMs]: readonly [number, number],
      ids: Pick<Span, "spanId" | "parentSpanId">,
      attributes: readonly Attribute[],
    ): Span => ({
      traceId,
      ...ids,
      ...(trace?.tracestate ? { traceState: trace.tracestate } : {}),
      name,
      kind: 1,
      startTimeUnixNano: unixNano(wallMs + fromMs),
      endTimeUnixNano: unixNano(wallMs + toMs),
      attributes,
    });
    const child = (): Pick<Span, "spanId" | "parentSpanId"> => ({
      spanId: spanId(),
      parentSpanId: ownSpanId,
    });
    const own =
      trace === undefined
        ? { spanId: ownSpanId }
        : { spanId: ownSpanId, parentSpanId: trace.traceparent.slice(36, 52) };
    return [
      span("event", [acceptedAtMs, endedAtMs], own, [
        text("attune.event_id", event.eventId),
        text("attune.message_id", event.ownId),
        text("attune.trigger_ref", event.triggerRef),
        ...(event.sensorRef === null ? [] : [text("attune.sensor_ref", event.sensorRef)]),
        count("attune.enforcements", event.enforcementIds.length),
      ]),
      span("batch", [acceptedAtMs, attemptedAtMs], child(), []),
      span("commit", [attemptedAtMs, committedAtMs], child(), []),
      span("confirm", [committedAtMs, endedAtMs], child(), []),
    ];
  }
}

/** Sixteen hexadecimal digits; all zeros would be invalid, and never come up. */
function spanId(): string {
  return randomBytes(8).toString("hex");
}

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
 * An event waits here for its confirms, beyond `waitingMax` without: then, and when messages are left to another process, it
 * is dropped and counted.
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
  readonly committedAtMs: number;
  unconfirmed: number;
}

const waitingMax = 4_096;
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
    const { installationId, clock } = this.#options;
    if (!this.#isSampled(event.trace)) return;
    const ownId = messageId(installationId, "event", event.eventId);
    const ids = [ownId, ...event.enforcementIds.map((id) => messageId(installationId, "enforcement", id))];
    if (this.#waiting.size + ids.length > waitingMax) {
      this.#options.metrics.spansDropped(spansOfEvent);
      return;
    }
    const waiting = { ...event, ownId, committedAtMs: clock.monotonicMs(), unconfirmed: ids.length };
    for (const id of ids) this.#waiting.set(id, waiting);
  }

  /** The broker has the message. */
  confirmed(id: string): void {
    const event = this.#waiting.get(id);
    if (event === undefined) return;
    this.#waiting.delete(id);
    event.unconfirmed -= 1;
    if (event.unconfirmed === 0) this.#options.exporter.add(this.#spansOf(event));
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

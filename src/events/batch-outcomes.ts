/**
 * What became of each event of a batch is told here, once: to whoever gave it in, to the outlet of its
 * messages, to the metrics.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { findDuplicates, findEvents, type StoredBatch } from "../database/statements/events.ts";
import type { OutgoingMessage } from "../messaging/message-transport.ts";
import type { Id } from "../model/identifiers.ts";
import type { EventSource } from "../model/incoming-event.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";
import type { Patience } from "./patience.ts";
import {
  messagesOf,
  type IdentifiedEntry,
  type IdentifiedEvent,
  type IdentifiedMove,
  type PreparedBatch,
  type PreparedEvent,
} from "./prepared-batch.ts";
import { isAssigned, type WaitingEvent, type WaitingMove } from "./waiting-events.ts";

/** Where the messages of stored events go; see publisher.ts. */
export interface MessageOutlet {
  /**
   * The instance that will publish a batch stored now; null leaves its messages to the sweeper. Answers at once:
   * storing never waits for the broker.
   */
  publisherInstance(): string | null;
  /** @param acceptedAtMs when the events behind the messages were accepted, for the latency measured at confirmation */
  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void;
}

export interface BatchOutcomesOptions {
  readonly database: Queryable;
  readonly outlet: MessageOutlet;
  readonly installationId: string;
  readonly metrics: Metrics;
  /** Called for every stored event with its matches; for people who watch. */
  readonly onStored?: (event: PreparedEvent) => void;
  readonly clock: Clock;
}

export class BatchOutcomes {
  readonly #options: BatchOutcomesOptions;
  readonly #patience: Patience;

  constructor(options: BatchOutcomesOptions, patience: Patience) {
    this.#options = options;
    this.#patience = patience;
  }

  /** Returns what is left of it to be stored: a refused event's checkpoint. */
  refuse(entry: IdentifiedEntry, reason: string): IdentifiedMove | undefined {
    if (entry.kind === "move") {
      entry.settle({ kind: "refused", reason });
      return undefined;
    }
    const left = this.refuseWaiting(entry, reason);
    return left === undefined ? undefined : { ...left, id: entry.id };
  }

  /** As `refuse`, for an event that is known to be unstorable before it is taken into a batch. */
  refuseWaiting({ event, settle, abandon }: WaitingEvent, reason: string): WaitingMove | undefined {
    this.#options.metrics.eventsRefused(1);
    const { checkpoint, source } = event;
    if (checkpoint === undefined || !isAssigned(source)) {
      settle({ kind: "refused", reason });
      return undefined;
    }
    return {
      kind: "move",
      source,
      checkpointJson: JSON.stringify(checkpoint),
      // Whoever lost the assignment must know; whether the checkpoint could be stored changes nothing else.
      settle: ({ kind }) => settle(kind === "fenced" ? { kind } : { kind: "refused", reason }),
      abandon,
    };
  }

  /** After the commit of a batch was seen. */
  async settle(
    { events, moves }: PreparedBatch,
    { storedIds, heldTerms, storedAt }: StoredBatch,
    isPublishedHere: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const held = new Set(heldTerms);
    for (const { source, settle } of moves) settle({ kind: isFenced(source, held) ? "fenced" : "stored" });
    if (storedIds === null) {
      this.#settleStored(events, storedAt, isPublishedHere);
      return;
    }
    const stored = new Set(storedIds);
    this.#settleStored(
      events.filter(({ waiting }) => stored.has(waiting.id)),
      storedAt,
      isPublishedHere,
    );
    const left = events.map(({ waiting }) => waiting).filter(({ id }) => !stored.has(id));
    const fenced = left.filter(({ event }) => isFenced(event.source, held));
    for (const { settle } of fenced) settle({ kind: "fenced" });
    if (fenced.length > 0) this.#options.metrics.eventsFenced(fenced.length);
    await this.#settleDuplicates(
      left.filter(({ event }) => !isFenced(event.source, held)),
      signal,
    );
  }

  /**
   * When it is open whether a batch was stored: settles the events that were and returns the rest. Moves of
   * checkpoints are always among it: to repeat one changes nothing.
   */
  async settleFound(
    { events, moves }: PreparedBatch,
    isPublishedHere: boolean,
    signal: AbortSignal,
  ): Promise<readonly IdentifiedEntry[]> {
    if (events.length === 0) return moves;
    const sought = soughtText(events);
    const find = () => rowsOf(this.#options.database, findEvents, { events: sought });
    const found = await this.#patience.persist(find, signal);
    const createdById = new Map(found.map(({ id, created }) => [id, created]));
    const committed = events.filter(({ waiting }) => createdById.has(waiting.id));
    const storedAt = found[0]?.created;
    if (storedAt !== undefined) this.#settleStored(committed, storedAt, isPublishedHere);
    const left = events.flatMap(({ waiting }) => (createdById.has(waiting.id) ? [] : [waiting]));
    return [...left, ...moves];
  }

  #settleStored(events: readonly PreparedEvent[], storedAt: Date, isPublishedHere: boolean): void {
    const { metrics, clock, installationId, outlet, onStored } = this.#options;
    const nowMs = clock.monotonicMs();
    const countByTrigger = new Map<string, number>();
    const messages: OutgoingMessage[] = [];
    const acceptedAtMs: number[] = [];
    let matchCount = 0;
    for (const prepared of events) {
      const { waiting, trigger, matches } = prepared;
      countByTrigger.set(trigger.ref, (countByTrigger.get(trigger.ref) ?? 0) + 1);
      matchCount += matches.length;
      if (isPublishedHere) {
        for (const message of messagesOf(prepared, storedAt, installationId)) {
          messages.push(message);
          acceptedAtMs.push(waiting.acceptedAtMs);
        }
      }
      metrics.eventCommittedAfter((nowMs - waiting.acceptedAtMs) / 1_000);
      waiting.settle({ kind: "stored", eventId: waiting.id });
      onStored?.(prepared);
    }
    for (const [triggerRef, count] of countByTrigger) metrics.eventsStored(triggerRef, count);
    this.#countBySensor(events.map(({ waiting }) => waiting));
    if (matchCount > 0) {
      metrics.rulesMatched(matchCount);
      metrics.enforcementsCreated(matchCount);
    }
    if (messages.length > 0) outlet.send(messages, acceptedAtMs);
  }

  async #settleDuplicates(events: readonly IdentifiedEvent[], signal: AbortSignal): Promise<void> {
    if (events.length === 0) return;
    const keys = events.flatMap(({ event }, n) =>
      event.dedupKey === null
        ? []
        : [
            {
              n,
              trigger_ref: event.triggerRef,
              source_ref: event.source?.sensorRef ?? null,
              dedup_key: event.dedupKey,
            },
          ],
    );
    const find = () => rowsOf(this.#options.database, findDuplicates, { keys });
    const found = await this.#patience.persist(find, signal);
    const idByNumber = new Map<number, Id>(found.map(({ n, id }) => [n, id]));
    this.#options.metrics.eventsDuplicate(events.length);
    this.#countBySensor(events);
    for (const [n, { id, settle }] of events.entries()) {
      settle({ kind: "duplicate", eventId: idByNumber.get(n) ?? id });
    }
  }

  #countBySensor(events: readonly IdentifiedEvent[]): void {
    const countBySensor = new Map<string, number>();
    for (const { event } of events) {
      const sensorRef = event.source?.sensorRef;
      if (sensorRef !== undefined) countBySensor.set(sensorRef, (countBySensor.get(sensorRef) ?? 0) + 1);
    }
    for (const [sensorRef, count] of countBySensor) this.#options.metrics.sensorEvents(sensorRef, count);
  }
}

/** As findEvents wants them. */
function soughtText(events: readonly PreparedEvent[]): string {
  const texts = events.map(({ waiting: { id, event, payloadJson } }) => {
    const [trigger, source, key] = [event.triggerRef, event.source?.sensorRef ?? null, event.dedupKey];
    return `{"i":${id},"t":${JSON.stringify(trigger)},"s":${JSON.stringify(source)},"p":${payloadJson},"k":${JSON.stringify(key)}}`;
  });
  return `[${texts.join(",")}]`;
}

function isFenced(source: EventSource | null, held: ReadonlySet<string>): boolean {
  return source !== null && source.term !== null && !held.has(`${source.sensorId}:${source.term.generation}`);
}

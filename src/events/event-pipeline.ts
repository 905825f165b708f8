/**
 * The one door for events: accept, match, store, hand over for publishing.
 *
 * The model. An accepted event is
 *
 *   waiting ──taken──▶ in the batch ──committed──▶ stored | duplicate | fenced
 *      │                    │  ▲
 *      │                    │  └─ rules changed: matched again; database away: tried again
 *      │                    └──▶ refused (it alone cannot be stored, whatever is tried)
 *      └──▶ abandoned (the pipeline was stopped before the event was stored)
 *
 * Exactly one batch is under way at a time; while it is, the next one collects. So the order of each
 * source is kept, and a checkpoint committed with an event covers everything before it.
 *
 * Ends of an attempt to store a batch, and what follows:
 *   stored              the outcomes are settled and the messages handed over
 *   rules have changed  the rules are read again, the batch is matched again
 *   rejected data       the batch is halved until the culprit stands alone; it is refused, the rest go on
 *   conflict            tried again at once
 *   no answer           after a pause: whatever is found stored is settled as such, the rest tried again
 *   any other failure   after a pause, tried again; said once when it begins and once when it ends
 *
 * Invariants: an event is settled once; its id never changes, so no attempt can store it twice; an
 * event is reported stored only after its commit was seen.
 */
import type { Queryable } from "../database/database.ts";
import { classifyDatabaseError } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import { findDuplicates, findEvents, storeBatch, type StoredBatch } from "../database/statements/events.ts";
import type { OutgoingMessage } from "../messaging/message-transport.ts";
import { backoffDelayMs } from "../model/backoff.ts";
import type { Id } from "../model/identifiers.ts";
import type { AcceptOutcome, EventSink, IncomingEvent } from "../model/incoming-event.ts";
import type { RuleSet, RuleSource } from "../model/rule-match.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";
import { storableText } from "./payload-text.ts";
import {
  matchEvent,
  messagesOf,
  prepareBatch,
  type IdentifiedEvent,
  type MatchedEvent,
  type PreparedBatch,
  type PreparedEvent,
} from "./prepared-batch.ts";
import { ReservedIds } from "./reserved-ids.ts";
import { WaitingEvents } from "./waiting-events.ts";

/** Where the messages of stored events go; see publisher.ts. */
export interface MessageOutlet {
  /** Waits until there is room. Resolves with the instance that will publish, or null to leave it to a sweeper. */
  room(signal: AbortSignal): Promise<string | null>;
  /** @param acceptedAtMs when the events behind the messages were accepted, for the latency measured at confirmation */
  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void;
}

export interface EventPipelineOptions {
  readonly database: Queryable;
  readonly rules: RuleSource;
  readonly outlet: MessageOutlet;
  readonly installationId: string;
  readonly batchRowsMax: number;
  readonly batchBytesMax: number;
  readonly metrics: Metrics;
  /** Called for every stored event with its matches; for people who watch. */
  readonly onStored?: (event: PreparedEvent) => void;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const retryLimits = { delayMsFirst: 100, delayMsMax: 5_000 };

class PipelineStoppedError extends Error {
  override readonly name = "PipelineStoppedError";
}

export class EventPipeline implements EventSink {
  readonly #options: EventPipelineOptions;
  readonly #waiting: WaitingEvents;
  readonly #eventIds: ReservedIds;
  readonly #enforcementIds: ReservedIds;
  #isClosed = false;
  /** Attempts in a row that failed for want of a database. */
  #failures = 0;

  constructor(options: EventPipelineOptions) {
    const { database, batchRowsMax, batchBytesMax } = options;
    this.#options = options;
    this.#waiting = new WaitingEvents({ rowsMax: batchRowsMax, bytesMax: batchBytesMax });
    this.#eventIds = new ReservedIds(database, "event_id_seq");
    this.#enforcementIds = new ReservedIds(database, "enforcement_id_seq");
  }

  /** Events accepted and not yet taken into a batch. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  accept(event: IncomingEvent): Promise<AcceptOutcome> {
    if (this.#isClosed) return Promise.reject(new PipelineStoppedError("the service is stopping"));
    const payload = storableText(event.payload);
    if (payload.kind === "unstorable") return this.#refuse(`its payload is unusable: ${payload.reason}`);
    const others = storableText([event.checkpoint ?? null, event.dedupKey]);
    if (others.kind === "unstorable") {
      return this.#refuse(`its checkpoint or dedup_key is unusable: ${others.reason}`);
    }
    return new Promise((settle, abandon) => {
      const acceptedAtMs = this.#options.clock.monotonicMs();
      this.#waiting.add({ event, payloadJson: payload.text, acceptedAtMs, settle, abandon });
    });
  }

  /** Accepts no more; `run` ends once what was accepted is stored. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.close();
  }

  /** Stores until closed and empty. The signal abandons what is not stored by then. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.close(), { once: true });
    while (!signal.aborted) {
      const batch = await this.#waiting.take();
      if (batch === undefined) return;
      let identified: readonly IdentifiedEvent[] = [];
      try {
        const ids = await this.#persist(() => this.#eventIds.take(batch.length), signal);
        identified = batch.map((waiting, index) => ({ ...waiting, id: ids[index] ?? "" }));
        await this.#store(identified, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        for (const { abandon } of batch)
          abandon(new PipelineStoppedError("not stored before the service stopped"));
      }
    }
    const left = this.#waiting.takeAll();
    for (const { abandon } of left)
      abandon(new PipelineStoppedError("not stored before the service stopped"));
  }

  async #store(batch: readonly IdentifiedEvent[], signal: AbortSignal): Promise<void> {
    let events = batch;
    while (events.length > 0) {
      const { rules, matched } = await this.#match(events, signal);
      if (matched.length === 0) return;
      events = matched.map(({ waiting }) => waiting);
      const prepared = await this.#prepare(matched, rules, signal);
      const publisherInstance = await this.#options.outlet.room(signal);
      signal.throwIfAborted();
      const startedAtMs = this.#options.clock.monotonicMs();
      let stored: StoredBatch | undefined;
      try {
        [stored] = await rowsOf(this.#options.database, storeBatch, {
          ...prepared.toStore,
          publisherInstance,
        });
      } catch (error) {
        const kind = classifyDatabaseError(error);
        if (kind === "rejected-data") return await this.#storeInHalves(events, error, signal);
        if (kind === "conflict") continue;
        await this.#pauseAfter(error, signal);
        if (kind === "ambiguous")
          events = await this.#settleFound(prepared, publisherInstance !== null, signal);
        continue;
      }
      this.#recovered();
      if (stored === undefined || !stored.isCurrent) {
        this.#options.metrics.batchRematched(1);
        await this.#persist(() => this.#options.rules.refresh(), signal);
        continue;
      }
      const seconds = (this.#options.clock.monotonicMs() - startedAtMs) / 1_000;
      this.#options.metrics.batchCommitted(events.length, seconds);
      await this.#settle(prepared, stored, publisherInstance !== null, signal);
      return;
    }
  }

  /** Matches the events whose trigger is known and enabled; refuses the others. */
  async #match(
    events: readonly IdentifiedEvent[],
    signal: AbortSignal,
  ): Promise<{ rules: RuleSet; matched: readonly MatchedEvent[] }> {
    let rules = this.#options.rules.current();
    const isServed = ({ event }: IdentifiedEvent): boolean =>
      rules.trigger(event.triggerRef)?.enabled === true;
    // The trigger may be newer than what we know: look before refusing.
    if (!events.every(isServed)) rules = await this.#persist(() => this.#options.rules.refresh(), signal);

    const matched: MatchedEvent[] = [];
    let refused = 0;
    for (const waiting of events) {
      const trigger = rules.trigger(waiting.event.triggerRef);
      if (trigger?.enabled === true) {
        matched.push(matchEvent(waiting, trigger, rules));
      } else {
        const state = trigger === undefined ? "does not exist" : "is disabled";
        waiting.settle({ kind: "refused", reason: `trigger ${waiting.event.triggerRef} ${state}` });
        refused += 1;
      }
    }
    if (refused > 0) this.#options.metrics.eventsRefused(refused);
    return { rules, matched };
  }

  async #prepare(
    matched: readonly MatchedEvent[],
    rules: RuleSet,
    signal: AbortSignal,
  ): Promise<PreparedBatch> {
    const matchCount = matched.reduce((count, { matches }) => count + matches.length, 0);
    const ids =
      matchCount === 0 ? [] : await this.#persist(() => this.#enforcementIds.take(matchCount), signal);
    return prepareBatch(matched, ids, rules.revision, this.#options.installationId);
  }

  async #storeInHalves(
    events: readonly IdentifiedEvent[],
    error: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    const [only] = events;
    if (events.length === 1 && only !== undefined) {
      const reason = `the database refuses it: ${error instanceof Error ? error.message : String(error)}`;
      this.#options.metrics.eventsRefused(1);
      only.settle({ kind: "refused", reason });
      return;
    }
    const middle = events.length >> 1;
    await this.#store(events.slice(0, middle), signal);
    await this.#store(events.slice(middle), signal);
  }

  /** After a lost answer: settles the events that were committed and returns the others. */
  async #settleFound(
    { events }: PreparedBatch,
    isPublishedHere: boolean,
    signal: AbortSignal,
  ): Promise<readonly IdentifiedEvent[]> {
    const ids = events.map(({ waiting }) => waiting.id);
    const found = await this.#persist(() => rowsOf(this.#options.database, findEvents, { ids }), signal);
    const createdById = new Map(found.map(({ id, created }) => [id, created]));
    const committed = events.filter(({ waiting }) => createdById.has(waiting.id));
    const storedAt = found[0]?.created;
    if (storedAt !== undefined) this.#settleStored(committed, storedAt, isPublishedHere);
    return events.flatMap(({ waiting }) => (createdById.has(waiting.id) ? [] : [waiting]));
  }

  async #settle(
    { events }: PreparedBatch,
    { storedIds, heldTerms, storedAt }: StoredBatch,
    isPublishedHere: boolean,
    signal: AbortSignal,
  ): Promise<void> {
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
    const held = new Set(heldTerms);
    const left = events.map(({ waiting }) => waiting).filter(({ id }) => !stored.has(id));
    const fenced = left.filter(({ event }) => isFenced(event, held));
    for (const { settle } of fenced) settle({ kind: "fenced" });
    if (fenced.length > 0) this.#options.metrics.eventsFenced(fenced.length);
    await this.#settleDuplicates(
      left.filter(({ event }) => !isFenced(event, held)),
      signal,
    );
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
    const found = await this.#persist(() => rowsOf(this.#options.database, findDuplicates, { keys }), signal);
    const idByNumber = new Map<number, Id>(found.map(({ n, id }) => [n, id]));
    this.#options.metrics.eventsDuplicate(events.length);
    for (const [n, { id, settle }] of events.entries()) {
      settle({ kind: "duplicate", eventId: idByNumber.get(n) ?? id });
    }
  }

  /** Repeats something that reads or reserves until the database answers; throws only once the signal aborts. */
  async #persist<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.#pauseAfter(error, signal);
      }
    }
  }

  async #pauseAfter(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    this.#failures += 1;
    if (this.#failures === 1) {
      logger.warn(
        { error },
        "could not store events; they wait, and sensors with them, until the database answers",
      );
    }
    await clock.sleep(backoffDelayMs(this.#failures, retryLimits, random()), signal);
    signal.throwIfAborted();
  }

  #recovered(): void {
    if (this.#failures === 0) return;
    this.#options.logger.info({ failures: this.#failures }, "events are being stored again");
    this.#failures = 0;
  }

  #refuse(reason: string): Promise<AcceptOutcome> {
    this.#options.metrics.eventsRefused(1);
    return Promise.resolve({ kind: "refused", reason });
  }
}

function isFenced(event: IncomingEvent, held: ReadonlySet<string>): boolean {
  const { source } = event;
  return source !== null && source.term !== null && !held.has(`${source.sensorId}:${source.term.generation}`);
}

/**
 * Reports the outcome of each entry of a batch, once: to the source that submitted it, to the publisher of its messages,
 * and to the metrics.
 *
 * Messages are handed over from memory only by the attempt whose commit was seen, and only for the events that this very
 * attempt stored. So every announced event is stored. An event stored by another attempt may have been matched under
 * other rules; the sweeper makes its messages from the rows.
 */
import { written } from "../concurrency/written.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import type { StoredBatch } from "../database/statements/batch-to-store.ts";
import { findDuplicates, findEvents, type FoundEvent } from "../database/statements/stored-batches.ts";
import type { MessageFormat } from "../messaging/messages/cloud-event-message.ts";
import type { OutgoingMessage } from "../messaging/message-transport.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import type { EventSource } from "../model/sensors/incoming-event.ts";
import type { RuleMatch } from "../model/rules/rule-match.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";
import { idOf, moveLeftOf, soughtText, type Entry, type EventEntry, type MoveEntry } from "./entries.ts";
import type { StorageRetry } from "./storage-retry.ts";
import { messagesOf, type PreparedBatch, type PreparedEvent } from "./prepared-batch.ts";

/** Where the messages of stored events go; see publisher.ts. */
export interface MessageOutlet {
  /** The instance that publishes, and under whose name messages are stored. */
  readonly instance: string;
  /** How it wants the messages; without it, as envelopes. */
  readonly format?: MessageFormat;
  /**
   * Takes the messages of events whose commit was seen. Never waits for the broker.
   *
   * @param acceptedAtMs when the events behind the messages were accepted, for the latency measured at confirmation
   */
  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void;
  /** Whether anybody can receive the messages of events; left out: it has to be assumed. If nobody can, they are not made. */
  isHeard?(): boolean;
  /** Takes messages that nobody can receive, as `send` takes others. */
  drop?(messageIds: readonly string[], acceptedAtMs: readonly number[]): void;
  /** Takes messages that are stored and not at hand: the outlet reads them from their rows. */
  leave(messageIds: readonly string[]): void;
}

/** An enforcement as people see it. */
export interface MatchedEnforcement {
  readonly id: Id;
  readonly match: Pick<RuleMatch, "ruleRef" | "config">;
}

export interface BatchOutcomesOptions {
  readonly database: Queryable;
  readonly outlet: MessageOutlet;
  readonly installationId: string;
  readonly metrics: Metrics;
  /**
   * Called for every event whose commit was seen, before its messages are handed over: their confirms may come at once.
   *
   * @param attemptedAtMs when the statement that stored it was sent
   */
  readonly onCommitted?: (
    entry: EventEntry,
    enforcements: readonly MatchedEnforcement[],
    attemptedAtMs: number,
  ) => void;
  /** Called for every stored event with its enforcements; for people who watch. */
  readonly onStored?: (entry: EventEntry, enforcements: readonly MatchedEnforcement[]) => void;
  /** Called for every event that is left out, since it is stored already. */
  readonly onDuplicate?: (entry: EventEntry) => void;
  /** Called for every event that is refused, since its sensor has passed to another worker. */
  readonly onFenced?: (source: EventSource) => void;
  readonly clock: Clock;
}

/** Above it, a batch's messages are not made from memory but left to the sweeper, which makes few at a time. */
const messageCharactersMax = 32 * 1_024 * 1_024;

export class BatchOutcomes {
  readonly #options: BatchOutcomesOptions;
  readonly #retry: StorageRetry;

  constructor(options: BatchOutcomesOptions, retry: StorageRetry) {
    this.#options = options;
    this.#retry = retry;
  }

  /** Returns what is left of it to be stored: a refused event's checkpoint. */
  refuse(entry: Entry, reason: string): MoveEntry | undefined {
    if (entry.kind === "move") {
      entry.settle({ kind: "refused", reason });
      return undefined;
    }
    this.#options.metrics.eventsRefused(1);
    const left = moveLeftOf(entry, reason);
    if (left === undefined) entry.settle({ kind: "refused", reason });
    return left;
  }

  /**
   * After the commit of a batch was seen. Everything else about the batch, except its spans, waits for its messages to be on
   * their way.
   *
   * @param attemptedAtMs when the statement was sent
   */
  async handOver(batch: PreparedBatch, stored: StoredBatch, attemptedAtMs: number): Promise<void> {
    const { onCommitted } = this.#options;
    const events = eventsStored(batch, stored);
    if (onCommitted !== undefined)
      for (const { entry, enforcements } of events) onCommitted(entry, enforcements, attemptedAtMs);
    this.#send(events, stored.storedAt, batch.messageCharacters <= messageCharactersMax);
    await written();
  }

  /** Tells sources and metrics, once the messages were handed over. */
  async report(
    batch: PreparedBatch,
    stored: StoredBatch,
    committedAtMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { storedIds, heldTerms } = stored;
    const events = eventsStored(batch, stored);
    this.#settleStored(events, committedAtMs);
    const held = new Set(heldTerms);
    for (const entry of batch.entries)
      if (entry.kind === "move") entry.settle({ kind: isFenced(entry.source, held) ? "fenced" : "stored" });
    if (storedIds === null) return;

    const settled = new Set(events);
    const others = batch.events.filter((event) => !settled.has(event)).map(({ entry }) => entry);
    const left = await this.settleFound(others, signal);
    const fenced = left.filter(({ source }) => isFenced(source, held));
    for (const { settle, source } of fenced) {
      settle({ kind: "fenced" });
      if (source !== null) this.#options.onFenced?.(source);
    }
    if (fenced.length > 0) this.#options.metrics.eventsFenced(fenced.length);
    await this.#settleDuplicates(
      left.filter(({ source }) => !isFenced(source, held)),
      signal,
    );
  }

  /**
   * Looks for those of the entries that an earlier attempt may have stored, settles what it finds and returns the others.
   * To repeat a move changes nothing, so that moves are never looked for.
   */
  async settleFound<Each extends Entry>(
    entries: readonly Each[],
    signal: AbortSignal,
  ): Promise<readonly Each[]> {
    const doubtful = entries.filter(
      (entry): entry is Each & EventEntry => entry.kind === "event" && entry.isInDoubt,
    );
    if (doubtful.length === 0) return entries;
    const { database, installationId } = this.#options;
    const find = () => rowsOf(database, findEvents, { events: soughtText(doubtful, installationId) });
    const found = new Map((await this.#retry.untilAnswered(find, signal)).map((event) => [event.id, event]));
    if (found.size === 0) return entries;
    const isFound = (entry: Entry): boolean =>
      entry.kind === "event" && entry.isInDoubt && found.has(idOf(entry));
    this.#leave([...found.values()]);
    this.#retry.recovered();
    this.#settleEarlier(doubtful.filter(isFound), found);
    return entries.filter((entry) => !isFound(entry));
  }

  #send(events: readonly PreparedEvent[], storedAt: Date, isAtHand: boolean): void {
    const { installationId, outlet } = this.#options;
    if (!(outlet.isHeard?.() ?? true)) {
      this.#drop(events);
      return;
    }
    if (!isAtHand) {
      this.#leave(events.map(({ entry, enforcements }) => ({ id: idOf(entry), enforcements })));
      return;
    }
    const messages: OutgoingMessage[] = [];
    const acceptedAtMs: number[] = [];
    for (const event of events) {
      for (const message of messagesOf(event, storedAt, installationId, outlet.format)) {
        messages.push(message);
        acceptedAtMs.push(event.entry.acceptedAtMs);
      }
    }
    if (messages.length > 0) outlet.send(messages, acceptedAtMs);
  }

  #settleStored(events: readonly PreparedEvent[], committedAtMs: number): void {
    const { onStored } = this.#options;
    const entries: EventEntry[] = [];
    const ruleRefs: string[] = [];
    for (const { entry, enforcements } of events) {
      entries.push(entry);
      for (const { match } of enforcements) ruleRefs.push(match.ruleRef);
      entry.settle({ kind: "stored", eventId: idOf(entry) });
      onStored?.(entry, enforcements);
    }
    this.#count(entries, ruleRefs, committedAtMs);
  }

  /** Messages that nobody can receive: without a broker, their texts would be half the work on an event. */
  #drop(events: readonly PreparedEvent[]): void {
    const messageIds: string[] = [];
    const acceptedAtMs: number[] = [];
    for (const { entry, messageId: ownId, enforcements } of events) {
      messageIds.push(ownId);
      for (const enforcement of enforcements) messageIds.push(enforcement.messageId);
      while (acceptedAtMs.length < messageIds.length) acceptedAtMs.push(entry.acceptedAtMs);
    }
    if (messageIds.length > 0) this.#options.outlet.drop?.(messageIds, acceptedAtMs);
  }

  #settleEarlier(entries: readonly EventEntry[], found: ReadonlyMap<Id, FoundEvent>): void {
    const { onStored, clock } = this.#options;
    const ruleRefs: string[] = [];
    for (const entry of entries) {
      const enforcements = found.get(idOf(entry))?.enforcements ?? [];
      for (const { ruleRef } of enforcements) ruleRefs.push(ruleRef);
      entry.settle({ kind: "stored", eventId: idOf(entry) });
      onStored?.(
        entry,
        enforcements.map(({ id, ruleRef, config }) => ({ id, match: { ruleRef, config } })),
      );
    }
    this.#count(entries, ruleRefs, clock.monotonicMs());
  }

  /** The messages of stored events, by the ids of events and enforcements. */
  #leave(
    events: readonly { readonly id: Id; readonly enforcements: readonly { readonly id: Id }[] }[],
  ): void {
    const { installationId, outlet } = this.#options;
    const messageIds = events.flatMap(({ id, enforcements }) => [
      messageId(installationId, "event", id),
      ...enforcements.map((enforcement) => messageId(installationId, "enforcement", enforcement.id)),
    ]);
    if (messageIds.length > 0) outlet.leave(messageIds);
  }

  async #settleDuplicates(entries: readonly EventEntry[], signal: AbortSignal): Promise<void> {
    if (entries.length === 0) return;
    const keys = entries.flatMap(({ event }, n) =>
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
    const found = await this.#retry.untilAnswered(find, signal);
    const idByNumber = new Map<number, Id>(found.map(({ n, id }) => [n, id]));
    this.#options.metrics.eventsDuplicate(entries.length);
    this.#countBySensor(entries);
    for (const [n, entry] of entries.entries()) {
      entry.settle({ kind: "duplicate", eventId: idByNumber.get(n) ?? idOf(entry) });
      this.#options.onDuplicate?.(entry);
    }
  }

  /** @param ruleRefs of the enforcements that were stored with them */
  #count(entries: readonly EventEntry[], ruleRefs: readonly string[], committedAtMs: number): void {
    const { metrics } = this.#options;
    for (const { acceptedAtMs } of entries)
      metrics.eventCommittedAfter((committedAtMs - acceptedAtMs) / 1_000);
    const triggerRefs = entries.map(({ event }) => event.triggerRef);
    for (const [triggerRef, count] of tally(triggerRefs)) metrics.eventsStored(triggerRef, count);
    this.#countBySensor(entries);
    if (ruleRefs.length === 0) return;
    for (const [ruleRef, count] of tally(ruleRefs)) metrics.rulesMatched(ruleRef, count);
    metrics.enforcementsCreated(ruleRefs.length);
  }

  #countBySensor(entries: readonly EventEntry[]): void {
    const sensorRefs = entries.flatMap(({ source }) => (source === null ? [] : [source.sensorRef]));
    for (const [sensorRef, count] of tally(sensorRefs)) this.#options.metrics.sensorEvents(sensorRef, count);
  }
}

/** How often each of them occurs. */
function tally(refs: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const ref of refs) counts.set(ref, (counts.get(ref) ?? 0) + 1);
  return counts;
}

/** What the statement itself stored. */
function eventsStored({ events }: PreparedBatch, { storedIds }: StoredBatch): readonly PreparedEvent[] {
  if (storedIds === null) return events;
  const ids = new Set(storedIds);
  return events.filter(({ entry }) => ids.has(idOf(entry)));
}

function isFenced(source: EventSource | null, held: ReadonlySet<string>): boolean {
  return source !== null && source.term !== null && !held.has(`${source.sensorId}:${source.term.generation}`);
}

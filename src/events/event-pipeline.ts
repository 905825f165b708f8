/**
 * The one door for events and checkpoints: accept, match, store, hand over for publishing.
 *
 * The model. An accepted event is
 *
 *   waiting ──taken──▶ in the batch ──committed──▶ stored | duplicate | fenced
 *      │                    │  ▲
 *      │                    │  └─ rules changed: matched again; database away: tried again
 *      │                    └──▶ refused (it alone cannot be stored, whatever is tried)
 *      └──▶ abandoned (the pipeline was stopped before the event was stored)
 *
 * A checkpoint without an event takes the same way, and so does that of a refused event, in the event's place.
 *
 * Exactly one batch is under way at a time; while it is, the next one collects. So the order of each
 * source is kept, and a checkpoint committed with an event covers everything before it.
 *
 * Ends of an attempt to store a batch, and what follows:
 *   too much            of matches, or of text in them: the batch is halved before it is tried; an event whose
 *                       text alone is too much is refused
 *   stored              the outcomes are settled and the messages handed over
 *   rules have changed  the rules are read again, the batch is matched again
 *   rejected data       the batch is halved until the culprit stands alone; it is refused, the rest go on
 *   conflict            tried again at once
 *   an id is taken      by an earlier attempt, whose events are settled, or by another event, since the database
 *                       was set back (a failover, a restoration): the rest get new ids and are tried again
 *   no answer           after a pause: whatever is found stored is settled as such, the rest tried again
 *   any other failure   after a pause, tried again; said once when it begins and once when it ends
 *
 * Invariants: an event is settled once; its id changes only when it is known that it was not stored under it,
 * so no attempt can store it twice; an event is reported stored only after its commit was seen.
 */
import { classifyDatabaseError } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import { isIdTaken, storeBatch, type StoredBatch } from "../database/statements/events.ts";
import type {
  AcceptOutcome,
  AdvanceOutcome,
  CheckpointMove,
  EventSink,
  IncomingEvent,
} from "../model/incoming-event.ts";
import type { RuleSet, RuleSource } from "../model/rule-match.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import { isTooMuchText, TextRoom, textCharactersMax } from "../model/text-room.ts";
import { BatchOutcomes, type BatchOutcomesOptions } from "./batch-outcomes.ts";
import { Patience, type PatienceOptions } from "./patience.ts";
import { storableText } from "./payload-text.ts";
import {
  matchEvent,
  prepareBatch,
  type IdentifiedEntry,
  type IdentifiedMove,
  type PreparedBatch,
  type ServedEvent,
} from "./prepared-batch.ts";
import { ReservedIds } from "./reserved-ids.ts";
import type { ServerWatch } from "./server-watch.ts";
import { isAssigned, WaitingEvents, type WaitingEntry, type WaitingEvent } from "./waiting-events.ts";

export interface EventPipelineOptions extends BatchOutcomesOptions, PatienceOptions {
  readonly rules: RuleSource;
  readonly server: Pick<ServerWatch, "look">;
  readonly batchRowsMax: number;
  readonly batchBytesMax: number;
}

/** A batch of ordinary events takes milliseconds. Beyond this, something is in its way. */
const slowBatchMs = 10_000;

/** Enforcements of one statement: more would keep it longer than a statement may take, and memory full of messages. */
const matchesMax = 20_000;

const tooMuchText = `its rules make more than ${textCharactersMax} characters of it in their action_params`;

class PipelineStoppedError extends Error {
  override readonly name = "PipelineStoppedError";
}

export class EventPipeline implements EventSink {
  readonly #options: EventPipelineOptions;
  readonly #waiting: WaitingEvents;
  readonly #eventIds: ReservedIds;
  readonly #enforcementIds: ReservedIds;
  readonly #patience: Patience;
  readonly #outcomes: BatchOutcomes;
  #isClosed = false;
  /** Of the batch under way. */
  #takenAtMs: number | undefined;

  constructor(options: EventPipelineOptions) {
    const { database, server, batchRowsMax, batchBytesMax } = options;
    this.#options = options;
    this.#waiting = new WaitingEvents({ rowsMax: batchRowsMax, bytesMax: batchBytesMax });
    const idsOf = (kind: "event" | "enforcement"): ReservedIds =>
      new ReservedIds(database, `${kind}_id_seq`, {
        look: () => server.look(),
        onSetBack: () => this.#tellSetBack(kind),
      });
    this.#eventIds = idsOf("event");
    this.#enforcementIds = idsOf("enforcement");
    this.#patience = new Patience(options);
    this.#outcomes = new BatchOutcomes(options, this.#patience);
  }

  /** Events accepted and not yet taken into a batch. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Whether an event that came now would be stored, as far as the last batch tells. */
  health(): PartHealth {
    const { clock } = this.#options;
    const takenMs = this.#takenAtMs === undefined ? 0 : clock.monotonicMs() - this.#takenAtMs;
    const known = this.#patience.health();
    if (known.state === "down" || takenMs < slowBatchMs) return known;
    const detail = `a batch of events has been under way for ${Math.floor(takenMs / 1_000)} s; later events wait for it`;
    return { state: "down", detail, checkedAtMs: clock.monotonicMs() };
  }

  accept(event: IncomingEvent): Promise<AcceptOutcome> {
    if (this.#isClosed) return Promise.reject(new PipelineStoppedError("the service is stopping"));
    const checkpoint = storableText(event.checkpoint ?? null);
    if (checkpoint.kind === "unstorable") {
      this.#options.metrics.eventsRefused(1);
      return Promise.resolve({ kind: "refused", reason: `its checkpoint is unusable: ${checkpoint.reason}` });
    }
    const payload = storableText(event.payload);
    const problem =
      payload.kind === "unstorable" ? `its payload is unusable: ${payload.reason}` : keyProblem(event);
    return new Promise((settle, abandon) => {
      const acceptedAtMs = this.#options.clock.monotonicMs();
      const payloadJson = payload.kind === "text" ? payload.text : "null";
      const waiting: WaitingEvent = { kind: "event", event, payloadJson, acceptedAtMs, settle, abandon };
      const entry = problem === undefined ? waiting : this.#outcomes.refuseWaiting(waiting, problem);
      if (entry !== undefined) this.#waiting.add(entry);
    });
  }

  advance({ source, checkpoint }: CheckpointMove): Promise<AdvanceOutcome> {
    if (this.#isClosed) return Promise.reject(new PipelineStoppedError("the service is stopping"));
    if (!isAssigned(source))
      return Promise.resolve({ kind: "refused", reason: "its source has no assignment" });
    const text = storableText(checkpoint);
    if (text.kind === "unstorable") return Promise.resolve({ kind: "refused", reason: text.reason });
    return new Promise((settle, abandon) => {
      this.#waiting.add({ kind: "move", source, checkpointJson: text.text, settle, abandon });
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
      this.#takenAtMs = this.#options.clock.monotonicMs();
      try {
        await this.#store(await this.#identify(batch, signal), signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        for (const { abandon } of batch)
          abandon(new PipelineStoppedError("not stored before the service stopped"));
      }
      this.#takenAtMs = undefined;
    }
    const left = this.#waiting.takeAll();
    for (const { abandon } of left)
      abandon(new PipelineStoppedError("not stored before the service stopped"));
  }

  async #store(batch: readonly IdentifiedEntry[], signal: AbortSignal): Promise<void> {
    let entries = batch;
    while (entries.length > 0) {
      const { rules, served, moves } = await this.#serve(entries, signal);
      entries = [...served.map(({ waiting }) => waiting), ...moves];
      if (entries.length === 0) return;
      const prepared = await this.#prepare(served, moves, rules, signal);
      if (prepared === "too much") {
        await this.#halveOrRefuse(entries, tooMuchText, signal);
        return;
      }
      const publisherInstance = this.#options.outlet.publisherInstance();
      const startedAtMs = this.#options.clock.monotonicMs();
      let stored: StoredBatch | undefined;
      try {
        [stored] = await rowsOf(this.#options.database, storeBatch, {
          ...prepared.toStore,
          publisherInstance,
        });
      } catch (error) {
        if (isIdTaken(error)) {
          entries = await this.#outcomes.settleFound(prepared, publisherInstance !== null, signal);
          entries = await this.#identifyAnew(entries, signal);
          continue;
        }
        const kind = classifyDatabaseError(error);
        if (kind === "rejected-data") {
          const problem = error instanceof Error ? error.message : String(error);
          return await this.#halveOrRefuse(entries, `the database refuses it: ${problem}`, signal);
        }
        if (kind === "conflict") continue;
        await this.#patience.pauseAfter(error, signal);
        if (kind === "ambiguous")
          entries = await this.#outcomes.settleFound(prepared, publisherInstance !== null, signal);
        continue;
      }
      this.#patience.recovered();
      if (stored === undefined || !stored.isCurrent) {
        this.#options.metrics.batchRematched(1);
        await this.#patience.persist(() => this.#options.rules.refresh(), signal);
        continue;
      }
      const seconds = (this.#options.clock.monotonicMs() - startedAtMs) / 1_000;
      if (served.length > 0) this.#options.metrics.batchCommitted(served.length, seconds);
      await this.#outcomes.settle(prepared, stored, publisherInstance !== null, signal);
      return;
    }
  }

  async #identify(batch: readonly WaitingEntry[], signal: AbortSignal): Promise<readonly IdentifiedEntry[]> {
    const ids = await this.#patience.persist(() => this.#eventIds.take(batch.length), signal);
    return batch.map((waiting, index) => ({ ...waiting, id: ids[index] ?? "" }));
  }

  /** None of what was reserved is used any more: where one id is taken, others are. */
  async #identifyAnew(
    entries: readonly IdentifiedEntry[],
    signal: AbortSignal,
  ): Promise<readonly IdentifiedEntry[]> {
    const [first] = entries;
    if (first === undefined) return [];
    this.#eventIds.forget();
    this.#enforcementIds.forget();
    this.#options.logger.warn(
      { event_id: first.id, events: entries.length },
      "the database gave reserved ids to others, as after a failover or a restoration; these events get new ones",
    );
    return this.#identify(entries, signal);
  }

  #tellSetBack(of: "event" | "enforcement"): void {
    this.#options.logger.warn(
      { ids: of },
      "the database gives ids out again, as after a failover or a restoration; they go on far above those given before",
    );
  }

  /** Which events have a trigger that is known and enabled; of the others only checkpoints are left. */
  async #serve(
    entries: readonly IdentifiedEntry[],
    signal: AbortSignal,
  ): Promise<{ rules: RuleSet; served: readonly ServedEvent[]; moves: readonly IdentifiedMove[] }> {
    let rules = this.#options.rules.current();
    const isServed = (entry: IdentifiedEntry): boolean =>
      entry.kind === "move" || rules.trigger(entry.event.triggerRef)?.enabled === true;
    // The trigger may be newer than what we know: look before refusing.
    if (!entries.every(isServed))
      rules = await this.#patience.persist(() => this.#options.rules.refresh(), signal);

    const served: ServedEvent[] = [];
    const moves: IdentifiedMove[] = [];
    for (const entry of entries) {
      if (entry.kind === "move") {
        moves.push(entry);
        continue;
      }
      const { triggerRef } = entry.event;
      const trigger = rules.trigger(triggerRef);
      if (trigger?.enabled === true) {
        served.push({ waiting: entry, trigger });
      } else {
        const state = trigger === undefined ? "does not exist" : "is disabled";
        const left = this.#outcomes.refuse(entry, `trigger ${triggerRef} ${state}`);
        if (left !== undefined) moves.push(left);
      }
    }
    return { rules, served, moves };
  }

  async #prepare(
    served: readonly ServedEvent[],
    moves: readonly IdentifiedMove[],
    rules: RuleSet,
    signal: AbortSignal,
  ): Promise<PreparedBatch | "too much"> {
    const room = new TextRoom();
    try {
      const matched = served.map((event) => matchEvent(event, rules, room));
      const matchCount = matched.reduce((count, { matches }) => count + matches.length, 0);
      if (matchCount > matchesMax && matched.length > 1) return "too much";
      const take = () => this.#enforcementIds.take(matchCount);
      const enforcementIds = matchCount === 0 ? [] : await this.#patience.persist(take, signal);
      const { revision } = rules;
      const { installationId } = this.#options;
      return prepareBatch(matched, { moves, enforcementIds, revision, installationId });
    } catch (error) {
      if (isTooMuchText(error)) return "too much";
      throw error;
    }
  }

  async #halveOrRefuse(
    entries: readonly IdentifiedEntry[],
    reason: string,
    signal: AbortSignal,
  ): Promise<void> {
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) {
      const left = this.#outcomes.refuse(only, reason);
      if (left !== undefined) await this.#store([left], signal);
      return;
    }
    const inOrder = entries.toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
    const middle = inOrder.length >> 1;
    await this.#store(inOrder.slice(0, middle), signal);
    await this.#store(inOrder.slice(middle), signal);
  }
}

function keyProblem({ dedupKey }: IncomingEvent): string | undefined {
  const text = storableText(dedupKey);
  return text.kind === "unstorable" ? `its dedup_key is unusable: ${text.reason}` : undefined;
}

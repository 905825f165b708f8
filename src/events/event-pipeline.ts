/**
 * The single entry point for events and checkpoints: accept, match, store, hand over for publishing.
 *
 * An accepted entry is an event, or a checkpoint without one. Its states:
 *
 *   waiting ──taken──▶ in a batch ──committed──▶ stored | duplicate | fenced
 *    ▲ │                 │   │
 *    │ │                 │   └─refused──▶ its checkpoint takes its place; then refused
 *    │ └─▶ abandoned ◀───┤ (the pipeline stopped first)
 *    └───────put back────┘ (the batch was split)
 *
 *   waiting | in a batch, between attempts ──withdrawn──▶ withdrawn (never stored)
 *
 * Submitters with a time limit withdraw what is not stored in time. That succeeds only while it is certain that no attempt
 * has stored the entry or still may: not during an attempt, and not for an entry in doubt.
 *
 * Entries wait in lanes, one per source (lanes.ts). A lane is in at most one batch at a time. This keeps the order of each
 * source, and a checkpoint covers everything before it. Several batches run at once, each with entries of other lanes, while
 * new entries collect for the next ones. batch-work.ts processes one batch: it matches the events, stores them, and handles
 * every possible end of an attempt in one switch.
 *
 * A lane is free again once the commit of its batch was seen and the messages are on their way. Its next batch is sent then,
 * and after that the sources are told that the last one is stored.
 *
 * Invariants:
 *
 * - The ids of an entry, its enforcements and its messages are drawn once (entry-ids.ts). Every attempt to store the entry
 *   uses them, in whatever batch and under whatever rules. The database holds each id at most once, so at most one attempt
 *   succeeds, however late a lost one arrives.
 * - What is announced is stored. Only an attempt whose commit was seen hands over messages, and only for the events and
 *   matches that it stored itself. If an earlier attempt turns out to have stored an event, the sweeper publishes the
 *   messages from the rows, which hold that attempt's matches, revision and time.
 * - An entry is settled once, and reported as stored only after its commit was seen. An event is in doubt while the result
 *   of an attempt is unknown; the pipeline looks for it in the database before it reports anything else.
 * - No source waits for another one's trouble. A batch that fails is split by source. A source with failures is stored in
 *   batches of its own (trouble.ts) until it has succeeded often enough.
 * - Every batch is bounded in what it reads (rows, bytes) and in what it writes (payloads, configuration, enforcements).
 *
 * Fairness: at least half of the `batchesMax` concurrent batches, and at least one, are for sources without trouble. Every
 * batch first takes an equal share from each waiting lane. An event of such a source therefore waits for at most one batch
 * to end, because its lane or all places may be taken. When a source fails for the first time, the other sources in that
 * batch wait for the attempt to end, and are then stored without it.
 */
import { setImmediate as letOthersRun } from "node:timers/promises";
import { Changes } from "../concurrency/changes.ts";
import type { Id } from "../model/identifiers.ts";
import type {
  AcceptOutcome,
  AdvanceOutcome,
  CheckpointMove,
  EventSink,
  IncomingEvent,
  Submitted,
} from "../model/sensors/incoming-event.ts";
import { storableText } from "../model/json/storable-text.ts";
import { aimProblem } from "../model/rules/rule-aim.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import { BatchOutcomes } from "./batch-outcomes.ts";
import { BatchPlaces, type BatchPlace } from "./batch-places.ts";
import { BatchWork, type BatchWorkOptions } from "./batch-work.ts";
import { canWithdraw, isAssigned, untried, type Entry, type EventEntry, type MoveEntry } from "./entries.ts";
import { EntryIds, type EntryIdsOptions } from "./entry-ids.ts";
import { Lanes, type BatchEnd, type TroubleChange } from "./lanes.ts";
import { slowBatchMs, StorageRetry, type StorageRetryOptions } from "./storage-retry.ts";

export interface EventPipelineOptions extends BatchWorkOptions, EntryIdsOptions, StorageRetryOptions {
  readonly batchRowsMax: number;
  /** Of payloads and checkpoints; a statement writes at most four times as much, unless one event alone is more. */
  readonly batchBytesMax: number;
  /** Batches at once; each takes a connection of the database. */
  readonly batchesMax: number;
}

/** Enforcements of one statement: more would make it last long, and fill memory with messages. */
const matchesMax = 20_000;

/** Enforcements, snapshots and rows beside the payloads. */
const writtenPerRead = 4;

class PipelineStoppedError extends Error {
  override readonly name = "PipelineStoppedError";
}

interface TakenBatch {
  readonly place: BatchPlace;
  readonly entries: readonly Entry[];
}

export class EventPipeline implements EventSink {
  readonly #options: EventPipelineOptions;
  readonly #lanes: Lanes;
  readonly #outcomes: BatchOutcomes;
  readonly #work: BatchWork;
  readonly #retry: StorageRetry;
  readonly #ids: EntryIds;
  readonly #places: BatchPlaces;
  #isClosed = false;
  readonly #changes = new Changes();

  constructor(options: EventPipelineOptions) {
    const { batchRowsMax, batchBytesMax, batchesMax } = options;
    const retry = new StorageRetry(options);
    this.#retry = retry;
    this.#options = options;
    this.#lanes = new Lanes({ rowsMax: batchRowsMax, bytesMax: batchBytesMax });
    this.#outcomes = new BatchOutcomes(options, retry);
    this.#ids = new EntryIds(options, retry);
    this.#work = new BatchWork(options, {
      ids: this.#ids,
      outcomes: this.#outcomes,
      retry,
      bounds: { matchesMax, charactersMax: writtenPerRead * batchBytesMax },
    });
    this.#places = new BatchPlaces(batchesMax);
  }

  /** Events and checkpoints accepted and not yet taken into a batch. */
  get waitingCount(): number {
    return this.#lanes.length;
  }

  /** Whether an event that came now would be stored, as far as the last attempts tell. */
  health(): PartHealth {
    const known = this.#retry.health();
    const takenAtMs = this.#places.firstTakenAtMs;
    if (known.state === "down" || takenAtMs === undefined) return known;
    const nowMs = this.#options.clock.monotonicMs();
    // While others are stored, it is one source's own trouble.
    if (nowMs - takenAtMs < slowBatchMs || this.#retry.storedAtMs > takenAtMs) return known;
    const seconds = Math.floor((nowMs - takenAtMs) / 1_000);
    const detail = `a batch of events has been under way for ${seconds} s, and no other has been stored since`;
    return { state: "down", detail, checkedAtMs: nowMs };
  }

  accept(event: IncomingEvent): Promise<AcceptOutcome> {
    return this.submit(event).outcome;
  }

  /** As `accept`, for a submitter that may not want to wait to the end. */
  submit(event: IncomingEvent): Submitted<AcceptOutcome> {
    if (this.#isClosed) return alreadyStopped();
    const checkpoint = storableText(event.checkpoint ?? null);
    if (checkpoint.kind === "unstorable") {
      this.#options.metrics.eventsRefused(1);
      return alreadyRefused(`its checkpoint is unusable: ${checkpoint.reason}`);
    }
    const payload = storableText(event.payload);
    const problem =
      payload.kind === "unstorable"
        ? `its payload is unusable: ${payload.reason}`
        : (keyProblem(event) ?? aimProblem(event.triggerInstanceId));
    const hasCheckpoint = event.checkpoint !== undefined && isAssigned(event.source);
    const { promise, resolve, reject } = Promise.withResolvers<AcceptOutcome>();
    const entry: EventEntry = {
      ...untried,
      kind: "event",
      source: event.source,
      event,
      payloadJson: payload.kind === "text" ? payload.text : "null",
      checkpointJson: hasCheckpoint ? checkpoint.text : undefined,
      acceptedAtMs: this.#options.clock.monotonicMs(),
      settle: resolve,
      abandon: reject,
      enforcementIds: undefined,
    };
    const waiting = problem === undefined ? entry : this.#outcomes.refuse(entry, problem);
    if (waiting !== undefined) this.#add(waiting);
    return { outcome: promise, withdraw: () => this.#withdraw(entry) };
  }

  advance(move: CheckpointMove): Promise<AdvanceOutcome> {
    return this.submitMove(move).outcome;
  }

  /** As `advance`, for a submitter that may not want to wait to the end. */
  submitMove({ source, checkpoint }: CheckpointMove): Submitted<AdvanceOutcome> {
    if (this.#isClosed) return alreadyStopped();
    if (!isAssigned(source)) return alreadyRefused("its source has no assignment");
    const text = storableText(checkpoint);
    if (text.kind === "unstorable") return alreadyRefused(text.reason);
    const { promise, resolve, reject } = Promise.withResolvers<AdvanceOutcome>();
    const entry: MoveEntry = {
      ...untried,
      kind: "move",
      source,
      checkpointJson: text.text,
      settle: resolve,
      abandon: reject,
    };
    this.#add(entry);
    return { outcome: promise, withdraw: () => this.#withdraw(entry) };
  }

  /** Events accepted from now on get ids above those that any worker has given so far: their sensor may have come from it. */
  renewIds(): void {
    this.#ids.renew();
  }

  /** What is submitted from now on gets ids above this one. */
  raiseIds(above: Id): void {
    this.#ids.raiseAbove(above);
  }

  /** Accepts no more; `run` ends once what was accepted is stored. */
  close(): void {
    this.#isClosed = true;
    this.#changes.note();
  }

  /** Stores until closed and empty. The signal abandons what is not stored by then. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.close(), { once: true });
    const underWay = new Set<Promise<void>>();
    const failures: unknown[] = [];
    while (!signal.aborted && failures.length === 0) {
      for (let batch = this.#take(); batch !== undefined; batch = this.#take()) {
        const storing: Promise<void> = this.#store(batch, signal)
          .catch((error: unknown) => void failures.push(error))
          .finally(() => {
            underWay.delete(storing);
            this.#changes.note();
          });
        underWay.add(storing);
      }
      if (this.#isClosed && this.#lanes.length === 0 && underWay.size === 0) return;
      await this.#nextChange();
    }
    await Promise.all(underWay);
    abandonAll(this.#lanes.takeAll());
    if (failures.length > 0) throw failures[0];
  }

  #withdraw(entry: Entry): boolean {
    if (!canWithdraw(entry)) return false;
    entry.isWithdrawn = true;
    // If it is in no lane, then in a batch, which leaves it out before the next attempt.
    if (this.#lanes.remove(entry)) this.#changes.note();
    return true;
  }

  #add(entry: Entry): void {
    this.#lanes.add(entry);
    this.#changes.note();
  }

  #take(): TakenBatch | undefined {
    for (const kind of this.#places.free()) {
      const nowMs = this.#options.clock.monotonicMs();
      const entries = kind === "together" ? this.#lanes.takeTogether() : this.#lanes.takeAlone(nowMs);
      if (entries !== undefined) return { place: this.#places.take(kind, nowMs), entries };
    }
    return undefined;
  }

  async #store({ place, entries }: TakenBatch, signal: AbortSignal): Promise<void> {
    try {
      const { report, ...end } = await this.#work.run(entries, signal);
      this.#finish(entries, end);
      this.#places.leave(place);
      this.#changes.note();
      if (report === undefined) return;
      // First the next batch: its events have waited for this one, and the database is idle meanwhile.
      await letOthersRun();
      await report();
    } catch (error) {
      abandonAll(entries);
      if (!signal.aborted) throw error;
    } finally {
      this.#places.leave(place);
    }
  }

  #finish(entries: readonly Entry[], end: BatchEnd): void {
    const { clock, random } = this.#options;
    const { storedAtMs } = this.#retry;
    const time = { nowMs: clock.monotonicMs(), storedAtMs, random: random() };
    for (const change of this.#lanes.finish(entries, end, time)) this.#tell(change, end.error);
  }

  /** Says once that a source is in trouble, and once that it is over. */
  #tell({ sensorRef, before, after }: TroubleChange, error: unknown): void {
    const { logger } = this.#options;
    const fields = sensorRef === null ? {} : { sensor_ref: sensorRef };
    const hasFailed = (before?.failures ?? 0) > 0;
    if (after !== undefined && after.failures === 1 && !hasFailed)
      logger.warn(
        { ...fields, error },
        "could not store an event; it will be retried after growing pauses, and only its own source waits",
      );
    if (hasFailed && (after?.failures ?? 0) === 0)
      logger.info(fields, "an event that could not be stored before is now stored or refused");
  }

  /** Until something was added or ended, or a lane has rested. */
  async #nextChange(): Promise<void> {
    const dueMs = this.#places.isFree("alone") ? this.#lanes.nextDueMs() : undefined;
    if (dueMs === undefined) {
      await this.#changes.next();
    } else {
      const { clock } = this.#options;
      await this.#changes.nextWithin(Math.max(dueMs - clock.monotonicMs(), 1), clock);
    }
  }
}

const nothingToWithdraw = (): boolean => true;

function alreadyStopped(): Submitted<never> {
  const outcome = Promise.reject(new PipelineStoppedError("the service is stopping"));
  return { outcome, withdraw: nothingToWithdraw };
}

function alreadyRefused(reason: string): Submitted<{ readonly kind: "refused"; readonly reason: string }> {
  return { outcome: Promise.resolve({ kind: "refused", reason }), withdraw: nothingToWithdraw };
}

function abandonAll(entries: readonly Entry[]): void {
  const reason = new PipelineStoppedError("not stored before the service stopped");
  for (const entry of entries) entry.abandon(reason);
}

function keyProblem({ dedupKey }: IncomingEvent): string | undefined {
  const text = storableText(dedupKey);
  return text.kind === "unstorable" ? `its dedup_key is unusable: ${text.reason}` : undefined;
}

/**
 * Processes one batch: matches it, stores it piece by piece, and settles every entry.
 *
 * An attempt (attempt.ts) has one of seven ends, handled in one switch below:
 *
 *   committed      hand over the messages of what it stored, and report it
 *   rules changed  read the rules again and match the same entries again
 *   id taken       settle what an earlier attempt stored, draw new ids where other rows have them, try again
 *   conflict       try again at once; from the third time on after a pause
 *   unavailable    try again after a pause, for as long as it takes
 *   rejected       a single entry is refused, and its checkpoint stored in its place; several entries are split
 *   failed         a single entry is put back to rest; several entries are split
 *
 * Entries of a split batch are put back, and their lanes are in trouble (trouble.ts): several sources are separated, the
 * entries of one source are halved. Only a failure with a cause outside the batch leads to an unchanged repetition.
 *
 * Events in doubt are looked for before every attempt, and before an event is refused or reported as fenced or duplicate.
 * What was withdrawn is left out of the next attempt: nothing is awaited between that check and the statement.
 */
import type { RuleSet, RuleSource } from "../model/rules/rule-match.ts";
import { textCharactersMax } from "../model/texts/text-budget.ts";
import { attempt, type AttemptEnd } from "./attempt.ts";
import type { BatchOutcomes, BatchOutcomesOptions } from "./batch-outcomes.ts";
import type { Entry, EventEntry } from "./entries.ts";
import type { EntryIds } from "./entry-ids.ts";
import type { BatchEnd } from "./lanes.ts";
import type { StorageRetry } from "./storage-retry.ts";
import { matchPiece, type PieceBounds } from "./matched-piece.ts";
import { prepareBatch, type PreparedBatch } from "./prepared-batch.ts";

export interface BatchWorkOptions extends BatchOutcomesOptions {
  readonly rules: RuleSource;
}

export interface BatchWorkDependencies {
  readonly ids: EntryIds;
  readonly outcomes: BatchOutcomes;
  readonly retry: StorageRetry;
  readonly bounds: PieceBounds;
}

export interface WorkedBatch extends BatchEnd {
  /**
   * Tells the sources of what was stored last, if that is left to do. It does not wait for the database, and the next batch of
   * the same sources does not have to wait for it.
   */
  readonly report?: () => Promise<void>;
}

const conflictsAtOnceMax = 2;

const tooMuchText = `it and what its rules make of it in their action_params are more than ${textCharactersMax} characters`;

export class BatchWork {
  readonly #options: BatchWorkOptions;
  readonly #dependencies: BatchWorkDependencies;

  constructor(options: BatchWorkOptions, dependencies: BatchWorkDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** @throws once the signal aborts */
  async run(batch: readonly Entry[], signal: AbortSignal): Promise<WorkedBatch> {
    const { ids, outcomes, retry, bounds } = this.#dependencies;
    const { rules, metrics, installationId, clock } = this.#options;
    const refused: Entry[] = [];
    let conflicts = 0;
    let left = batch;
    await ids.identify(left, signal);
    for (;;) {
      signal.throwIfAborted();
      const { set, entries } = await this.#serve(await outcomes.settleFound(left, signal), signal);
      left = entries;
      if (left.length === 0) return { left, failed: [], refused, error: undefined };
      const matched = matchPiece(left, set, bounds);
      if (matched.kind === "too much") {
        left = [...(await this.#refuse(matched.event, tooMuchText, signal)), ...matched.later];
        continue;
      }
      const { piece } = matched;
      await ids.identifyEnforcements(piece, signal);
      if (left.some(({ isWithdrawn }) => isWithdrawn)) {
        left = left.filter(({ isWithdrawn }) => !isWithdrawn);
        continue;
      }
      const prepared = prepareBatch(piece, installationId);
      const startedAtMs = clock.monotonicMs();
      const end = await this.#attempt(prepared);
      const tookMs = clock.monotonicMs() - startedAtMs;
      switch (end.kind) {
        case "committed": {
          retry.recovered();
          conflicts = 0;
          left = piece.later;
          const { stored } = end;
          const { events } = prepared;
          if (events.length > 0) metrics.batchCommitted(events.length, tookMs / 1_000);
          await outcomes.handOver(prepared, stored, startedAtMs);
          const report = (): Promise<void> => outcomes.report(prepared, stored, startedAtMs + tookMs, signal);
          if (left.length === 0 && stored.storedIds === null)
            return { left, failed: [], refused, error: undefined, report };
          await report();
          break;
        }
        case "rules changed":
          metrics.batchRematched(1);
          await retry.untilAnswered(() => rules.refresh(), signal);
          break;
        case "id taken":
          await ids.replaceForeign(prepared, left, signal);
          conflicts = await this.#pauseAfterConflict(conflicts + 1, end.error, signal);
          break;
        case "conflict":
          conflicts = await this.#pauseAfterConflict(conflicts + 1, end.error, signal);
          break;
        case "unavailable":
          await retry.pauseAfter(end.error, signal, tookMs);
          break;
        case "rejected": {
          const [only, ...others] = piece.entries;
          if (only === undefined || others.length > 0)
            return { left, failed: piece.entries, refused, error: undefined };
          refused.push(only);
          left = [...(await this.#refuse(only, end.reason, signal)), ...piece.later];
          break;
        }
        case "failed":
          retry.note(end.error, tookMs);
          return { left, failed: piece.entries, refused, error: end.error };
      }
    }
  }

  /** Makes one attempt, and notes for each entry what is known of it afterwards. */
  async #attempt({ entries, toStore }: PreparedBatch): Promise<AttemptEnd> {
    const { outlet, database } = this.#options;
    for (const entry of entries) entry.isAttempted = true;
    const end = await attempt(database, { ...toStore, publisherInstance: outlet.instance });
    if (end.kind === "committed") return end;
    const isInDoubt = "isInDoubt" in end && end.isInDoubt;
    for (const entry of entries) {
      entry.isAttempted = false;
      entry.isInDoubt ||= isInDoubt;
    }
    return end;
  }

  /** The entries, but for events without a trigger that is known and enabled: of these, only checkpoints are left. */
  async #serve(
    entries: readonly Entry[],
    signal: AbortSignal,
  ): Promise<{ readonly set: RuleSet; readonly entries: readonly Entry[] }> {
    const { rules } = this.#options;
    const unserved = (of: RuleSet): readonly EventEntry[] =>
      entries.filter(
        (entry): entry is EventEntry =>
          entry.kind === "event" && of.trigger(entry.event.triggerRef)?.enabled !== true,
      );
    const current = rules.current();
    if (unserved(current).length === 0) return { set: current, entries };
    // The trigger may be newer than what we know: look before refusing.
    const set = await this.#dependencies.retry.untilAnswered(() => rules.refresh(), signal);
    const served = new Map<Entry, readonly Entry[]>();
    for (const entry of unserved(set)) {
      const { triggerRef } = entry.event;
      const state = set.trigger(triggerRef) === undefined ? "does not exist" : "is disabled";
      served.set(entry, await this.#refuse(entry, `trigger ${triggerRef} ${state}`, signal));
    }
    return { set, entries: entries.flatMap((entry) => served.get(entry) ?? [entry]) };
  }

  /** Refuses an entry, unless an earlier attempt stored it. Returns what is left of it: its checkpoint, if it has one. */
  async #refuse(entry: Entry, reason: string, signal: AbortSignal): Promise<readonly Entry[]> {
    const [unstored] = await this.#dependencies.outcomes.settleFound([entry], signal);
    const left =
      unstored === undefined || unstored.isWithdrawn
        ? undefined
        : this.#dependencies.outcomes.refuse(unstored, reason);
    return left === undefined ? [] : [left];
  }

  async #pauseAfterConflict(conflicts: number, error: unknown, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    if (conflicts > conflictsAtOnceMax) await this.#dependencies.retry.pauseAfter(error, signal);
    return conflicts;
  }
}

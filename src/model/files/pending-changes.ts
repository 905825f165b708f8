/**
 * Changes that one rule has not reported yet, combined by path.
 *
 * A change is due `debounceMs` after the first look that found it, or, if the rule waits until files are settled, when the
 * file has not changed for `settledMs`. What happens to the path until then belongs to the same change:
 *
 *   created, then modified          created, as the file is in the end
 *   created, then deleted           nothing
 *   deleted, then created again     modified, or nothing if it is the same
 *   new file moved                  created at its last path
 *   moved over an existing file     modified, with the path it came from
 *   moved, then deleted             deleted at its first path
 *   moved, then replaced by a move  deleted at its first path, and the other one moved
 *
 * Deletions do not wait for the file to settle.
 */
import { eventTypeOf, type FileChange } from "./file-change.ts";

export interface PendingLimits {
  readonly debounceMs: number;
  /** Null: changes are not held back until their file is settled. */
  readonly settledMs: number | null;
}

export interface PendingChange {
  readonly change: FileChange;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export class PendingChanges {
  readonly #limits: PendingLimits;
  readonly #byPath = new Map<string, PendingChange>();

  constructor(limits: PendingLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byPath.size;
  }

  /** What the path was when the rule last reported it; undefined if nothing is pending there. */
  get(path: string): PendingChange | undefined {
    return this.#byPath.get(path);
  }

  all(): IterableIterator<PendingChange> {
    return this.#byPath.values();
  }

  note(change: FileChange, atMs: number): void {
    const arrived = change.from === null ? change : this.#departed(change, change.from, atMs);
    if (arrived.from === arrived.path) {
      // It came back to where the rule last saw it, and replaces what was moved there meanwhile.
      const replaced = this.#byPath.get(arrived.path);
      const from = replaced?.change.from ?? null;
      if (replaced !== undefined && from !== null) this.#vacate(from, replaced, atMs);
      this.#settle({ ...arrived, before: arrived.fromFacts, from: null, fromFacts: null }, atMs, atMs);
      return;
    }
    this.#combine(arrived, atMs);
  }

  /** Those that are due, the oldest first. */
  due(nowMs: number, countMax: number, isForced = false): readonly PendingChange[] {
    const due: PendingChange[] = [];
    for (const pending of this.#byPath.values()) {
      if (due.length >= countMax) break;
      if (isForced || this.dueMs(pending) <= nowMs) due.push(pending);
    }
    return due;
  }

  /** Takes those that are due; all if forced. */
  take(nowMs: number, countMax: number, isForced = false): readonly PendingChange[] {
    const due = this.due(nowMs, countMax, isForced);
    for (const { change } of due) this.#byPath.delete(change.path);
    return due;
  }

  /** Its file was still changing at that time. */
  delay(path: string, atMs: number): void {
    const pending = this.#byPath.get(path);
    if (pending !== undefined) this.#byPath.set(path, { ...pending, lastAtMs: atMs });
  }

  /** When the next is due; undefined if nothing is pending. */
  nextMs(): number | undefined {
    let nextMs: number | undefined;
    for (const pending of this.#byPath.values()) {
      const dueMs = this.dueMs(pending);
      if (nextMs === undefined || dueMs < nextMs) nextMs = dueMs;
    }
    return nextMs;
  }

  /** When it is reported, if nothing else happens to it. */
  dueMs({ change, firstAtMs, lastAtMs }: PendingChange): number {
    const { debounceMs, settledMs } = this.#limits;
    if (settledMs === null || change.after === null) return firstAtMs + debounceMs;
    return lastAtMs + Math.max(settledMs, debounceMs);
  }

  /** The file that was moved here, with what is pending where it was. */
  #departed(change: FileChange, from: string, atMs: number): FileChange {
    const pending = this.#byPath.get(from);
    if (pending === undefined) return change;
    this.#byPath.delete(from);
    const { before, from: firstFrom, fromFacts } = pending.change;
    // What was at its path before it came is gone.
    if (before !== null && firstFrom !== null) {
      this.#byPath.set(from, {
        ...pending,
        change: { ...pending.change, after: null, from: null, fromFacts: null },
        lastAtMs: atMs,
      });
      return { ...change, from: firstFrom, fromFacts };
    }
    if (firstFrom !== null) return { ...change, from: firstFrom, fromFacts };
    return before === null ? { ...change, from: null, fromFacts: null } : { ...change, fromFacts: before };
  }

  #combine(change: FileChange, atMs: number): void {
    const { path } = change;
    const pending = this.#byPath.get(path);
    if (pending === undefined) {
      if (eventTypeOf(change) !== undefined) {
        this.#byPath.set(path, { change, firstAtMs: atMs, lastAtMs: atMs });
      }
      return;
    }
    const { before, from, fromFacts, foundBy } = pending.change;
    if (change.after === null && from !== null) {
      // Moved here and then deleted.
      this.#byPath.delete(path);
      this.#settle({ ...change, before }, pending.firstAtMs, atMs);
      this.#vacate(from, pending, atMs);
      return;
    }
    // Moved here and then replaced by another file.
    if (from !== null && change.from !== null && change.from !== from) this.#vacate(from, pending, atMs);
    const origin =
      change.from === null ? { from, fromFacts } : { from: change.from, fromFacts: change.fromFacts };
    this.#settle({ ...change, before, ...origin, foundBy }, pending.firstAtMs, atMs);
  }

  /** What was moved away from a path is not there any more: it is gone from that path, whatever has come there since. */
  #vacate(path: string, { change, firstAtMs }: PendingChange, atMs: number): void {
    const { fromFacts: before, foundBy } = change;
    const since = this.#byPath.get(path)?.change;
    const gone = { path, before, after: null, from: null, fromFacts: null, foundBy };
    this.#settle(since === undefined ? gone : { ...since, before }, firstAtMs, atMs);
  }

  #settle(change: FileChange, firstAtMs: number, lastAtMs: number): void {
    if (eventTypeOf(change) === undefined) this.#byPath.delete(change.path);
    else this.#byPath.set(change.path, { change, firstAtMs, lastAtMs });
  }
}

/**
 * What changed in a tree, and the rules that hear of it.
 *
 *   record ──▶ changes of one step, at most about `changesMax` ──deliver──▶ every follower, which the tree waits for
 *
 *   join ──▶ joining ──admit──▶ follower ──leave──▶ gone (also while joining)
 *
 * Invariants: a follower hears of every change after its `begin`, in order, and of none before: what was recorded before is
 * delivered before it begins. Without followers nothing is recorded, because the first one begins with everything there is.
 */
import {
  isDifferent,
  pairMoves,
  type FileChange,
  type FileFacts,
  type FoundBy,
} from "../../model/files/file-change.ts";

export interface ChangeFollower {
  /** Called with changes after it has begun; the tree waits for it. */
  note(changes: readonly FileChange[]): Promise<void>;
  /** Whether it wants nothing from a folder, by its path relative to the base. */
  ignores(relativePath: string): boolean;
}

export interface Admission<Follower> {
  /** Looks at what only this one wants. */
  readonly prepare: (joining: Follower) => Promise<void>;
  readonly begin: (joining: Follower) => Promise<void>;
}

/** How many changes are combined before followers get them. */
const changesMax = 50_000;

export class TreeChanges<Follower extends ChangeFollower> {
  readonly #followers = new Set<Follower>();
  readonly #joining: Follower[] = [];
  #changes: FileChange[] = [];

  get isFollowed(): boolean {
    return this.#followers.size > 0;
  }

  get isBeingJoined(): boolean {
    return this.#joining.length > 0;
  }

  join(follower: Follower): void {
    this.#joining.push(follower);
  }

  leave(follower: Follower): void {
    this.#followers.delete(follower);
    const index = this.#joining.indexOf(follower);
    if (index !== -1) this.#joining.splice(index, 1);
  }

  /** Whether nobody wants anything from a folder, neither a follower nor one that joins. */
  isIgnored(relativePath: string): boolean {
    const everyone = [...this.#followers, ...this.#joining];
    return everyone.length > 0 && everyone.every((follower) => follower.ignores(relativePath));
  }

  record(path: string, before: FileFacts | null, after: FileFacts | null, foundBy: FoundBy): void {
    if (before === null ? after === null : after !== null && !isDifferent(before, after)) return;
    if (this.#followers.size === 0) return;
    this.#changes.push({ path, before, after, from: null, fromFacts: null, foundBy });
  }

  async deliverMany(): Promise<void> {
    if (this.#changes.length >= changesMax) await this.deliver();
  }

  async deliver(): Promise<void> {
    if (this.#changes.length === 0) return;
    const changes = pairMoves(this.#changes);
    this.#changes = [];
    await Promise.all([...this.#followers].map((follower) => follower.note(changes)));
  }

  /** Makes followers of those that join. */
  async admit({ prepare, begin }: Admission<Follower>, signal: AbortSignal): Promise<void> {
    for (let next = this.#joining[0]; next !== undefined && !signal.aborted; next = this.#joining[0]) {
      await prepare(next);
      await this.deliver();
      await begin(next);
      // It may have left meanwhile.
      if (this.#joining[0] === next) {
        this.#joining.shift();
        this.#followers.add(next);
      }
    }
  }
}

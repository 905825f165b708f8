/**
 * Keeps the last known state of one watched folder, with its subfolders down to a depth, or of one watched file, for all
 * rules on that place.
 *
 *   hint (an event of the kernel) ──▶ names in doubt ──a moment later──▶ look at these names ─┐
 *   rescan (periodic, after a burst, by polling) ──▶ look at everything ──────────────────────┼──▶ difference ──▶ rules
 *   check of the base, every second ──▶ it came, went, or was replaced ───────────────────────┘
 *
 * Truth is in the file system. An event of the kernel only hints where to look, so a lost, late or doubled one does no
 * harm: the next rescan finds the change.
 *
 * All looks happen in one loop, one step after the other, and this file decides what each step looks at:
 *
 *   step:  base ──▶ rescan, or the names in doubt ──▶ deliver the changes ──▶ admit rules that join
 *   then:  a moment while there is work ──▶ step;  else rest until a hint, a request, or the next look at the base ──▶ step
 *
 * The state has four owners: the base (watched-base.ts), the folders (known-folders.ts, watched-folder.ts), the changes and who
 * hears of them (tree-changes.ts), and when to look at everything (watch-mode.ts). The looks themselves are in folder-looks.ts.
 * Invariant: the folders are those of the base as last seen; while it is no folder there are none.
 */
import type { FileFacts } from "../../model/files/file-change.ts";
import type { Clock } from "../../time/clock.ts";
import type { Look } from "./file-system.ts";
import { FolderLooks, type FolderLooksOptions } from "./folder-looks.ts";
import { KnownFolders } from "./known-folders.ts";
import { TreeChanges, type ChangeFollower } from "./tree-changes.ts";
import { nameOf, parentOf, relativeTo } from "./tree-path.ts";
import { WatchMode, type PollingCause, type RescanReason } from "./watch-mode.ts";
import { WatchedBase, type BaseState, type WatchedBaseOptions } from "./watched-base.ts";

export interface FolderTreeOptions extends FolderLooksOptions, WatchedBaseOptions {
  readonly clock: Clock;
  readonly onRescan: (reason: RescanReason) => void;
}

/** A rule on the tree. */
export interface TreeFollower extends ChangeFollower {
  /** Called once, when everything is known; the tree does not change meanwhile. */
  begin(tree: FolderTree): Promise<void>;
}

/** Collects the hints of one occurrence, such as a move. */
const collectMs = 20;
const baseCheckMs = 1_000;

export class FolderTree {
  readonly #options: FolderTreeOptions;
  readonly #base: WatchedBase;
  readonly #mode: WatchMode;
  readonly #folders = new KnownFolders(() => this.#wakeUp());
  readonly #changes = new TreeChanges<TreeFollower>();
  readonly #looks: FolderLooks;
  #isBaseInDoubt = false;
  #wake: (() => void) | undefined;
  #isRescanRequested: RescanReason | undefined;

  constructor(options: FolderTreeOptions) {
    this.#options = options;
    this.#base = new WatchedBase(options);
    this.#mode = new WatchMode(options.polling, options.clock);
    const parts = { folders: this.#folders, changes: this.#changes, mode: this.#mode };
    this.#looks = new FolderLooks(options, parts);
  }

  get base(): string {
    return this.#base.path;
  }

  get isPolling(): boolean {
    return this.#mode.isPolling;
  }

  /** Undefined: the kernel reports changes, or a rule asks for polling. */
  get pollingCause(): PollingCause | undefined {
    return this.#mode.cause;
  }

  /** Whether it has no followers, present or joining. */
  get isForsaken(): boolean {
    return !this.#changes.isFollowed && !this.#changes.isBeingJoined;
  }

  fileCount(): number {
    return (this.#base.facts === undefined ? 0 : 1) + this.#folders.fileCount();
  }

  /** What was last seen at a path; undefined: nothing. */
  factsOf(path: string): FileFacts | undefined {
    return path === this.base ? this.#base.facts : this.#folders.factsOf(path);
  }

  entries(): IterableIterator<readonly [string, FileFacts]> {
    const { facts } = this.#base;
    // Not delegated to by another generator, which would cost time for each file.
    return facts === undefined ? this.#folders.entries() : [[this.base, facts] as const].values();
  }

  /** The path below the base; "" for a base that is a file. */
  relative(path: string): string {
    return relativeTo(this.base, path);
  }

  follow(follower: TreeFollower): void {
    this.#changes.join(follower);
    this.#wakeUp();
  }

  leave(follower: TreeFollower): void {
    this.#changes.leave(follower);
  }

  /** Looks at everything soon, because events may have been lost. */
  doubt(): void {
    this.#isRescanRequested = "burst";
    this.#wakeUp();
  }

  /** Looks at a path soon. */
  lookAt(path: string): void {
    if (path === this.base) {
      this.#isBaseInDoubt = true;
      this.#wakeUp();
      return;
    }
    const folder = this.#folders.at(parentOf(path));
    if (folder !== undefined) this.#folders.doubt(folder, nameOf(path));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      while (!signal.aborted) {
        await this.#step(signal);
        if (signal.aborted) return;
        if (this.#hasWork) await clock.sleep(collectMs, signal);
        else await this.#rest(signal);
      }
    } finally {
      this.#folders.endWatches();
      this.#base.leaveParent();
    }
  }

  get #hasWork(): boolean {
    return this.#folders.hasDoubtful || this.#isBaseInDoubt || this.#changes.isBeingJoined;
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    await this.#checkBase(signal);
    this.#folders.retryUnreadable(clock.monotonicMs());
    const reason = this.#isRescanRequested ?? this.#mode.dueRescan();
    if (reason === undefined) await this.#lookWhereHinted(signal);
    else await this.#rescan(reason, signal);
    await this.#changes.deliver();
    const admission = {
      // A folder that only others ignore may not have been entered.
      prepare: async (joining: TreeFollower) => {
        if (this.#changes.isFollowed) await this.#looks.enterFor(joining, signal);
      },
      begin: (joining: TreeFollower) => joining.begin(this),
    };
    await this.#changes.admit(admission, signal);
  }

  /** Until there is work, or the base is to be checked. */
  async #rest(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const wait = new AbortController();
    this.#wake = () => wait.abort("woken");
    if (this.#isRescanRequested === undefined) {
      const leftMs = Math.max(0, Math.min(baseCheckMs, this.#mode.leftMs));
      await clock.sleep(leftMs, AbortSignal.any([signal, wait.signal]));
    }
    this.#wake = undefined;
    // The rest of what happened together.
    await clock.sleep(collectMs, signal);
  }

  #wakeUp(): void {
    this.#wake?.();
  }

  async #checkBase(signal: AbortSignal): Promise<void> {
    this.#isBaseInDoubt = false;
    const look = await this.#base.look();
    if (look === undefined || signal.aborted) return;
    const { before, after, isSameFolder } = this.#base.become(look);
    if (after.kind === "folder") {
      if (isSameFolder) return;
      this.#forgetBase(before);
      await this.#enterBase(after.look, signal);
      return;
    }
    if (before.kind === "folder") this.#forgetBase(before);
    if (this.#mode.isWatchable) this.#base.watchParent(() => this.#hintAtBase());
    this.#changes.record(this.base, fileFactsOf(before), fileFactsOf(after), "watch");
  }

  async #enterBase({ birthMs }: Look, signal: AbortSignal): Promise<void> {
    this.#base.leaveParent();
    this.#mode.begin({ isRemote: await this.#options.fileSystem.isRemote(this.base).catch(() => false) });
    await this.#looks.enter([{ path: this.base, depth: 1, birthMs }], "watch", signal);
    this.#mode.planRescan(0);
  }

  #forgetBase(before: BaseState): void {
    this.#changes.record(this.base, fileFactsOf(before), null, "watch");
    this.#looks.drop(this.base, "watch");
    this.#mode.cancelRescan();
  }

  #hintAtBase(): void {
    this.#options.onHint();
    this.#isBaseInDoubt = true;
    this.#wakeUp();
  }

  async #lookWhereHinted(signal: AbortSignal): Promise<void> {
    for (const folder of this.#folders.takeDoubtful()) {
      if (signal.aborted) return;
      await this.#looks.lookIn(folder, folder.takeDoubt(), () => "watch", signal);
    }
  }

  async #rescan(reason: RescanReason, signal: AbortSignal): Promise<void> {
    const { clock, onRescan } = this.#options;
    this.#isRescanRequested = undefined;
    onRescan(reason);
    const beganMs = clock.monotonicMs();
    for (const folder of this.#folders.present()) {
      if (signal.aborted) return;
      const doubt = folder.takeDoubt();
      this.#folders.settle(folder);
      const wasHinted = (name: string): boolean => doubt === "all" || doubt.has(name);
      await this.#looks.lookIn(folder, "all", (name) => (wasHinted(name) ? "watch" : "rescan"), signal);
    }
    this.#mode.planRescan(clock.monotonicMs() - beganMs);
  }
}

function fileFactsOf(state: BaseState): FileFacts | null {
  return state.kind === "file" ? state.facts : null;
}

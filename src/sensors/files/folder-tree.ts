/**
 * Keeps the last known state of one watched folder, with its subfolders down to a depth, or of one watched file, for all
 * rules on that place.
 *
 *   hint (an event of the kernel) ──▶ names in doubt ──a moment later──▶ look at these names ─┐
 *   rescan (periodic, after a burst, by polling) ──▶ look at everything ──────────────────────┼──▶ difference ──▶ rules
 *   check of the base, every second ──▶ it came, went, or was replaced ───────────────────────┘
 *
 * Truth is in the file system. An event of the kernel only hints where to look, so a lost, late or doubled one does no
 * harm: the next rescan finds the change. All looks happen in one loop, one after the other.
 *
 * Each folder is watched before it is listed, so that nothing is missed in between. The kernel ties a watch to the inode and
 * not to the path; so a folder counts as replaced if its inode or its time of birth differs, and is then watched anew.
 *
 * A folder that cannot be read keeps its last known state, and is tried again every second, until it can be read or is gone.
 * The others are watched meanwhile. Links are not followed, except when the base itself is a link,
 * so loops of links do no harm.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { hasCode, messageOf } from "../../errors/caught.ts";
import {
  pairMoves,
  isDifferent,
  type FileChange,
  type FileFacts,
  type FoundBy,
} from "../../model/files/file-change.ts";
import type { Polling } from "../../model/files/file-plan.ts";
import type { Clock } from "../../time/clock.ts";
import type { FileSystem, Look, Watcher } from "./file-system.ts";
import { shownPath } from "./shown-path.ts";
import { watchFailure } from "./watch-failure.ts";
import { WatchMode, type PollingCause, type RescanReason } from "./watch-mode.ts";
import { WatchedBase } from "./watched-base.ts";

export interface FolderTreeOptions {
  readonly base: string;
  readonly depthMax: number;
  readonly polling: Polling;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** Whether rules may watch a path, once all links are followed. */
  readonly isAllowed: (realPath: string) => boolean;
  /** Called for each event of the kernel. */
  readonly onHint: () => void;
  readonly onRescan: (reason: RescanReason) => void;
  readonly warn: (warning: string) => void;
}

/** A rule on the tree. */
export interface TreeFollower {
  /** Called once, when everything is known; the tree does not change meanwhile. */
  begin(tree: FolderTree): Promise<void>;
  /** Called with changes after that; the tree waits for it. */
  note(changes: readonly FileChange[]): Promise<void>;
  /** Whether it wants nothing from a folder, by its path relative to the base. */
  ignores(relativePath: string): boolean;
}

interface Folder {
  readonly path: string;
  /** 1 for the base. */
  readonly depth: number;
  readonly birthMs: number;
  readonly entries: Map<string, FileFacts>;
  watcher: Watcher | undefined;
  /** Whether the kernel may have ended the watch. */
  isWatchDoubtful: boolean;
  /** Names to look at; "all" if there are too many, or one is unknown. */
  inDoubt: Set<string> | "all";
}

/** Collects the hints of one occurrence, such as a move. */
const collectMs = 20;
const baseCheckMs = 1_000;
/** How many folders that could not be read are tried again in that time. */
const retriesMax = 64;
/** More than the kernel queues, so that a burst leaves the names that it has shown. */
const namesInDoubtMax = 20_000;
/** How many changes are combined before followers get them. */
const changesMax = 50_000;
const looksAtOnce = 2;
const looksBeforeTurn = 64;

export class FolderTree {
  readonly #options: FolderTreeOptions;
  readonly #base: WatchedBase;
  readonly #mode: WatchMode;
  readonly #folders = new Map<string, Folder>();
  readonly #doubtful = new Set<Folder>();
  /** Those that could not be read at the last look, the one tried longest ago first. */
  readonly #unreadable = new Set<Folder>();
  #retryAtMs = Number.NEGATIVE_INFINITY;
  readonly #followers = new Set<TreeFollower>();
  readonly #joining: TreeFollower[] = [];
  #isBaseInDoubt = false;
  #wake: (() => void) | undefined;
  #isRescanRequested: RescanReason | undefined;
  #changes: FileChange[] = [];

  constructor(options: FolderTreeOptions) {
    this.#options = options;
    this.#base = new WatchedBase(options);
    this.#mode = new WatchMode(options.polling, options.clock);
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
    return this.#followers.size === 0 && this.#joining.length === 0;
  }

  fileCount(): number {
    let count = this.#base.state.kind === "file" ? 1 : 0;
    for (const { entries } of this.#folders.values()) count += entries.size;
    return count;
  }

  /** What was last seen at a path; undefined: nothing. */
  factsOf(path: string): FileFacts | undefined {
    const { state } = this.#base;
    if (path === this.base) return state.kind === "file" ? state.facts : undefined;
    const end = path.lastIndexOf("/");
    return this.#folders.get(path.slice(0, end) || "/")?.entries.get(path.slice(end + 1));
  }

  *entries(): IterableIterator<readonly [string, FileFacts]> {
    const { state } = this.#base;
    if (state.kind === "file") yield [this.base, state.facts];
    for (const { path, entries } of this.#folders.values()) {
      for (const [name, facts] of entries) yield [childOf(path, name), facts];
    }
  }

  /** The path below the base; "" for a base that is a file. */
  relative(path: string): string {
    return path === this.base ? "" : path.slice(this.base === "/" ? 1 : this.base.length + 1);
  }

  follow(follower: TreeFollower): void {
    this.#joining.push(follower);
    this.#wakeUp();
  }

  leave(follower: TreeFollower): void {
    this.#followers.delete(follower);
    const index = this.#joining.indexOf(follower);
    if (index !== -1) this.#joining.splice(index, 1);
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
    const end = path.lastIndexOf("/");
    const folder = this.#folders.get(path.slice(0, end) || "/");
    if (folder !== undefined) this.#hint(folder, path.slice(end + 1));
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
      for (const { watcher } of this.#folders.values()) watcher?.close();
      this.#base.leaveParent();
    }
  }

  get #hasWork(): boolean {
    return this.#doubtful.size > 0 || this.#isBaseInDoubt || this.#joining.length > 0;
  }

  async #step(signal: AbortSignal): Promise<void> {
    await this.#checkBase(signal);
    this.#retryUnreadable();
    const reason = this.#isRescanRequested ?? this.#mode.dueRescan();
    if (reason === undefined) await this.#lookWhereHinted(signal);
    else await this.#rescan(reason, signal);
    await this.#deliver();
    await this.#admit(signal);
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

  #hint(folder: Folder, name: string | undefined): void {
    if (name === undefined) folder.inDoubt = "all";
    else if (folder.inDoubt !== "all") {
      if (folder.inDoubt.size < namesInDoubtMax) folder.inDoubt.add(name);
      else folder.inDoubt = "all";
    }
    this.#doubtful.add(folder);
    this.#wakeUp();
  }

  async #checkBase(signal: AbortSignal): Promise<void> {
    this.#isBaseInDoubt = false;
    const look = await this.#base.look();
    if (look === undefined || signal.aborted) return;
    const before = this.#base.state;
    if (look?.facts.isDirectory === true) {
      const isSame = before.kind === "folder" && isSameFolder(before.look, look);
      if (!isSame) this.#forgetBase();
      this.#base.state = { kind: "folder", look };
      if (!isSame) await this.#enterBase(look, signal);
      return;
    }
    if (before.kind === "folder") this.#forgetBase();
    if (this.#mode.isWatchable) this.#base.watchParent(() => this.#hintAtBase());
    const known = before.kind === "file" ? before.facts : null;
    const facts = look?.facts ?? null;
    this.#base.state = facts === null ? { kind: "missing" } : { kind: "file", facts };
    this.#record(this.base, known, facts, "watch");
  }

  async #enterBase({ birthMs }: Look, signal: AbortSignal): Promise<void> {
    this.#base.leaveParent();
    this.#mode.begin({ isRemote: await this.#options.fileSystem.isRemote(this.base).catch(() => false) });
    await this.#enter([{ path: this.base, depth: 1, birthMs }], "watch", signal);
    this.#mode.planRescan(0);
  }

  #forgetBase(): void {
    const { state } = this.#base;
    if (state.kind === "file") this.#record(this.base, state.facts, null, "watch");
    this.#drop(this.base, "watch");
    this.#base.state = { kind: "missing" };
    this.#mode.cancelRescan();
  }

  #hintAtBase(): void {
    this.#options.onHint();
    this.#isBaseInDoubt = true;
    this.#wakeUp();
  }

  #retryUnreadable(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#unreadable.size === 0 || nowMs < this.#retryAtMs) return;
    this.#retryAtMs = nowMs + baseCheckMs;
    let retries = 0;
    for (const folder of this.#unreadable) {
      if (retries === retriesMax) break;
      retries += 1;
      this.#unreadable.delete(folder);
      folder.inDoubt = "all";
      this.#doubtful.add(folder);
    }
  }

  async #lookWhereHinted(signal: AbortSignal): Promise<void> {
    for (const folder of Array.from(this.#doubtful)) {
      if (signal.aborted) return;
      this.#doubtful.delete(folder);
      if (this.#folders.get(folder.path) !== folder) continue;
      const { inDoubt } = folder;
      folder.inDoubt = new Set();
      await this.#lookIn(folder, inDoubt, () => "watch", signal);
      await this.#deliverMany();
    }
  }

  async #rescan(reason: RescanReason, signal: AbortSignal): Promise<void> {
    const { clock, onRescan } = this.#options;
    this.#isRescanRequested = undefined;
    onRescan(reason);
    const beganMs = clock.monotonicMs();
    for (const folder of Array.from(this.#folders.values())) {
      if (signal.aborted) return;
      if (this.#folders.get(folder.path) !== folder) continue;
      const { inDoubt } = folder;
      folder.inDoubt = new Set();
      this.#doubtful.delete(folder);
      const wasHinted = (name: string): boolean => inDoubt === "all" || inDoubt.has(name);
      await this.#lookIn(folder, "all", (name) => (wasHinted(name) ? "watch" : "rescan"), signal);
      await this.#deliverMany();
    }
    this.#mode.planRescan(clock.monotonicMs() - beganMs);
  }

  /** Looks at new folders, and at those in them. */
  async #enter(
    found: readonly Pick<Folder, "path" | "depth" | "birthMs">[],
    foundBy: FoundBy,
    signal: AbortSignal,
  ): Promise<void> {
    const waiting = [...found];
    for (let next = waiting.pop(); next !== undefined && !signal.aborted; next = waiting.pop()) {
      const folder: Folder = {
        ...next,
        entries: new Map(),
        watcher: undefined,
        isWatchDoubtful: false,
        inDoubt: new Set(),
      };
      this.#folders.set(folder.path, folder);
      waiting.push(...(await this.#lookOnceIn(folder, "all", () => foundBy, signal)));
      await this.#deliverMany();
    }
  }

  async #lookIn(
    folder: Folder,
    which: Folder["inDoubt"],
    foundBy: (name: string) => FoundBy,
    signal: AbortSignal,
  ): Promise<void> {
    const found = await this.#lookOnceIn(folder, which, foundBy, signal);
    if (found.length > 0) await this.#enter(found, foundBy(""), signal);
  }

  /** @returns the new folders in it */
  async #lookOnceIn(
    folder: Folder,
    which: Folder["inDoubt"],
    foundBy: (name: string) => FoundBy,
    signal: AbortSignal,
  ): Promise<readonly Pick<Folder, "path" | "depth" | "birthMs">[]> {
    const { fileSystem, warn } = this.#options;
    const found: Pick<Folder, "path" | "depth" | "birthMs">[] = [];
    try {
      const wasWatched = folder.watcher !== undefined && !folder.isWatchDoubtful;
      this.#watch(folder);
      const isWhole = which === "all" || !wasWatched;
      const names = isWhole ? await fileSystem.names(folder.path) : [...which];
      // Its parent folder notices that it is gone.
      if (names === undefined) return [];
      if (isWhole) {
        const present = new Set(names);
        for (const name of folder.entries.keys()) {
          if (!present.has(name)) this.#apply(folder, name, undefined, foundBy(name), found);
        }
      }
      let index = 0;
      const lookOn = async (): Promise<void> => {
        for (let name = names[index++]; name !== undefined; name = names[index++]) {
          if (signal.aborted) return;
          const look = await fileSystem.look(childOf(folder.path, name));
          this.#apply(folder, name, look, foundBy(name), found);
          if (index % looksBeforeTurn === 0) await nextTurn();
        }
      };
      await Promise.all(Array.from({ length: looksAtOnce }, lookOn));
      this.#unreadable.delete(folder);
    } catch (error) {
      warn(
        `could not look into ${shownPath(folder.path)}, which keeps what was last seen: ${messageOf(error)}`,
      );
      this.#unreadable.delete(folder);
      if (this.#folders.get(folder.path) === folder) this.#unreadable.add(folder);
    }
    return found;
  }

  #apply(
    folder: Folder,
    name: string,
    look: Look | undefined,
    foundBy: FoundBy,
    found: Pick<Folder, "path" | "depth" | "birthMs">[],
  ): void {
    const path = childOf(folder.path, name);
    const before = folder.entries.get(name) ?? null;
    const after = look?.facts ?? null;
    const known = this.#folders.get(path);
    const isSame =
      look?.facts.isDirectory === true &&
      known?.birthMs === look.birthMs &&
      before?.inode === look.facts.inode;
    if (known !== undefined && !isSame) this.#drop(path, foundBy);
    if (after === null) folder.entries.delete(name);
    else folder.entries.set(name, after);
    this.#record(path, before, after, foundBy);
    if (look?.facts.isDirectory !== true || (isSame && known !== undefined)) return;
    if (folder.depth < this.#options.depthMax && !this.#isIgnored(path)) {
      found.push({ path, depth: folder.depth + 1, birthMs: look.birthMs });
    }
  }

  /** Forgets a folder and everything in it. */
  #drop(path: string, foundBy: FoundBy): void {
    const folder = this.#folders.get(path);
    if (folder === undefined) return;
    this.#folders.delete(path);
    this.#doubtful.delete(folder);
    this.#unreadable.delete(folder);
    folder.watcher?.close();
    for (const [name, facts] of folder.entries) {
      const child = childOf(path, name);
      if (facts.isDirectory) this.#drop(child, foundBy);
      this.#record(child, facts, null, foundBy);
    }
  }

  #record(path: string, before: FileFacts | null, after: FileFacts | null, foundBy: FoundBy): void {
    if (before === null ? after === null : after !== null && !isDifferent(before, after)) return;
    if (this.#followers.size === 0) return;
    this.#changes.push({ path, before, after, from: null, fromFacts: null, foundBy });
  }

  async #deliverMany(): Promise<void> {
    if (this.#changes.length >= changesMax) await this.#deliver();
  }

  async #deliver(): Promise<void> {
    if (this.#changes.length === 0) return;
    const changes = pairMoves(this.#changes);
    this.#changes = [];
    await Promise.all([...this.#followers].map((follower) => follower.note(changes)));
  }

  async #admit(signal: AbortSignal): Promise<void> {
    for (let next = this.#joining[0]; next !== undefined && !signal.aborted; next = this.#joining[0]) {
      // A folder that only others ignore may not have been entered.
      await this.#enterIgnored(next, signal);
      await this.#deliver();
      await next.begin(this);
      if (this.#joining[0] === next) {
        this.#joining.shift();
        this.#followers.add(next);
      }
    }
  }

  async #enterIgnored(joining: TreeFollower, signal: AbortSignal): Promise<void> {
    if (this.#followers.size === 0) return;
    for (const folder of Array.from(this.#folders.values())) {
      if (folder.depth >= this.#options.depthMax) continue;
      for (const [name, facts] of folder.entries) {
        const path = childOf(folder.path, name);
        if (!facts.isDirectory || this.#folders.has(path) || joining.ignores(this.relative(path))) continue;
        const look = await this.#options.fileSystem.look(path).catch(() => undefined);
        if (look?.facts.isDirectory !== true) continue;
        await this.#enter([{ path, depth: folder.depth + 1, birthMs: look.birthMs }], "watch", signal);
      }
    }
  }

  #isIgnored(path: string): boolean {
    const relativePath = this.relative(path);
    const everyone = [...this.#followers, ...this.#joining];
    return everyone.length > 0 && everyone.every((follower) => follower.ignores(relativePath));
  }

  #watch(folder: Folder): void {
    const { fileSystem, onHint, warn } = this.#options;
    if (folder.isWatchDoubtful) {
      folder.watcher?.close();
      folder.watcher = undefined;
      folder.isWatchDoubtful = false;
    }
    if (folder.watcher !== undefined || !this.#mode.isWatchable) return;
    const ownName = folder.path.slice(folder.path.lastIndexOf("/") + 1);
    try {
      folder.watcher = fileSystem.watch(folder.path, {
        onEvent: (name) => {
          onHint();
          // The kernel's last word on a folder that was deleted or moved is its own name.
          if (name === ownName) folder.isWatchDoubtful = true;
          this.#hint(folder, name);
        },
        onFailure: () => {
          folder.isWatchDoubtful = true;
          this.#hint(folder, undefined);
        },
      });
    } catch (error) {
      // It cannot be listed either; the others can be watched.
      if (hasCode(error, "EACCES", "EPERM")) throw error;
      const failure = watchFailure(error);
      // It went before it could be watched.
      if (failure === undefined) return;
      this.#mode.noteLimit();
      warn(
        `cannot watch ${shownPath(folder.path)} for changes and looks every ${this.#options.polling.pollMs / 1_000} s instead: ${failure}`,
      );
    }
  }
}

function childOf(folder: string, name: string): string {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

function isSameFolder(one: Look, other: Look): boolean {
  return one.facts.inode === other.facts.inode && one.birthMs === other.birthMs;
}

/**
 * The folders of a tree that were found, by path, and which of them to look at next.
 *
 *   add ──▶ known ──doubt──▶ doubtful ──takeDoubtful──▶ known
 *             └──a look fails──▶ unreadable ──retryUnreadable, at most once a second──▶ doubtful
 *   remove, in any state ──▶ gone
 *
 * Invariants: a folder that is doubtful or unreadable is known, except that a late event of the kernel can make a folder
 * doubtful that is gone, which `takeDoubtful` passes over. What is gone has no watch.
 */
import type { FileFacts } from "../../model/files/file-change.ts";
import { childOf, nameOf, parentOf } from "./tree-path.ts";
import { WatchedFolder, type FoundFolder } from "./watched-folder.ts";

const retryIntervalMs = 1_000;
/** How many folders that could not be read are tried again in that time. */
const retriesMax = 64;

export class KnownFolders {
  readonly #byPath = new Map<string, WatchedFolder>();
  readonly #doubtful = new Set<WatchedFolder>();
  /** The one tried longest ago first. */
  readonly #unreadable = new Set<WatchedFolder>();
  #retryAtMs = Number.NEGATIVE_INFINITY;
  readonly #onDoubt: () => void;

  constructor(onDoubt: () => void) {
    this.#onDoubt = onDoubt;
  }

  get hasDoubtful(): boolean {
    return this.#doubtful.size > 0;
  }

  at(path: string): WatchedFolder | undefined {
    return this.#byPath.get(path);
  }

  isKnown(folder: WatchedFolder): boolean {
    return this.#byPath.get(folder.path) === folder;
  }

  /** Those that are known when it begins; a folder that goes meanwhile is left out. */
  *present(): IterableIterator<WatchedFolder> {
    for (const folder of Array.from(this.#byPath.values())) if (this.isKnown(folder)) yield folder;
  }

  fileCount(): number {
    let count = 0;
    for (const { entries } of this.#byPath.values()) count += entries.size;
    return count;
  }

  factsOf(path: string): FileFacts | undefined {
    return this.#byPath.get(parentOf(path))?.entries.get(nameOf(path));
  }

  *entries(): IterableIterator<readonly [string, FileFacts]> {
    for (const { path, entries } of this.#byPath.values()) {
      for (const [name, facts] of entries) yield [childOf(path, name), facts];
    }
  }

  add(found: FoundFolder): WatchedFolder {
    const folder = new WatchedFolder(found);
    this.#byPath.set(folder.path, folder);
    return folder;
  }

  /** Forgets a folder and those in it. @param onGone called for everything that was in them */
  remove(path: string, onGone: (path: string, facts: FileFacts) => void): void {
    const folder = this.#byPath.get(path);
    if (folder === undefined) return;
    this.#byPath.delete(path);
    this.#doubtful.delete(folder);
    this.#unreadable.delete(folder);
    folder.endWatch();
    for (const [name, facts] of folder.entries) {
      const child = childOf(path, name);
      if (facts.isDirectory) this.remove(child, onGone);
      onGone(child, facts);
    }
  }

  /** @param name undefined: something changed in it, but it is not known what */
  doubt(folder: WatchedFolder, name: string | undefined): void {
    folder.noteDoubt(name);
    this.#doubtful.add(folder);
    this.#onDoubt();
  }

  /** Those that are doubtful when it begins, each until it is taken. */
  *takeDoubtful(): IterableIterator<WatchedFolder> {
    for (const folder of Array.from(this.#doubtful)) {
      this.#doubtful.delete(folder);
      if (this.isKnown(folder)) yield folder;
    }
  }

  /** Everything in it is about to be looked at. */
  settle(folder: WatchedFolder): void {
    this.#doubtful.delete(folder);
  }

  noteRead(folder: WatchedFolder): void {
    this.#unreadable.delete(folder);
  }

  noteUnreadable(folder: WatchedFolder): void {
    this.#unreadable.delete(folder);
    if (this.isKnown(folder)) this.#unreadable.add(folder);
  }

  retryUnreadable(nowMs: number): void {
    if (this.#unreadable.size === 0 || nowMs < this.#retryAtMs) return;
    this.#retryAtMs = nowMs + retryIntervalMs;
    let retries = 0;
    for (const folder of this.#unreadable) {
      if (retries === retriesMax) break;
      retries += 1;
      this.#unreadable.delete(folder);
      folder.noteDoubt(undefined);
      this.#doubtful.add(folder);
    }
  }

  endWatches(): void {
    for (const folder of this.#byPath.values()) folder.endWatch();
  }
}

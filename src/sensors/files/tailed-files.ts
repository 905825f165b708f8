/**
 * The files whose lines one rule reports, and how far each was read. A path:
 *
 *   known ──begins, changes──▶ unread ──read──▶ read to its end ──changes──▶ unread
 *                               ▲  └─failed──▶ unreadable ──2 s later──▶ unread
 *
 * A position belongs to a file, not to its path: a file is read on where it was left, whatever its path is now, and a path
 * has another file after a rotation. A file that is at no known path is gone. It is remembered for a while, since it may
 * come up at another path.
 *
 * A position advances in the same turn in which its lines are handed over. So a state that has the position has the lines,
 * too.
 */
import { messageOf } from "../../errors/caught.ts";
import { isDifferent, type FileChange, type FileFacts } from "../../model/files/file-change.ts";
import type { FileSystem } from "./file-system.ts";
import { LineTail, type KnownFiles, type TailedLines } from "./line-tail.ts";
import {
  identityKey,
  type FileIdentity,
  type LoadedState,
  type ReachedPosition,
  type TailPosition,
} from "./rule-state.ts";

export interface TailedFilesOptions {
  readonly fileSystem: FileSystem;
  /** The one path that may be a link. */
  readonly base: string;
  /** Whether the lines of a file at this path are wanted. */
  readonly follows: (path: string) => boolean;
  readonly warn: (warning: string) => void;
}

type PresentFiles = Iterable<readonly [path: string, facts: FileFacts]>;

interface TailedFile {
  /** Where it was last seen. */
  path: string;
  position: TailPosition;
}

const begunAtOnce = 100;
const retryMs = 2_000;
/** Then the other files have their turn: one that grows as fast as it is read would keep them waiting. */
const piecesAtOnce = 4;
const goneMax = 10_000;

export class TailedFiles implements KnownFiles {
  readonly #options: TailedFilesOptions;
  readonly #tail: LineTail;
  /** By identity. If several were seen at one path, the last one is the last in order. */
  readonly #files = new Map<string, TailedFile>();
  /** The file that was last seen at a path. */
  readonly #atPath = new Map<string, TailedFile>();
  /** The longest gone first. */
  readonly #gone = new Set<TailedFile>();
  readonly #unread = new Set<string>();
  /** Failed at the last attempt. */
  readonly #unreadable = new Set<string>();
  #retryAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: TailedFilesOptions) {
    this.#options = options;
    this.#tail = new LineTail(options.fileSystem);
  }

  last(path: string): TailPosition | undefined {
    return this.#atPath.get(path)?.position;
  }

  of(file: FileIdentity): TailPosition | undefined {
    return this.#files.get(identityKey(file))?.position;
  }

  follows(path: string): boolean {
    return this.#options.follows(path);
  }

  /** As LoadedState has them. */
  *positions(): IterableIterator<ReachedPosition> {
    for (const { path, position } of this.#files.values()) yield [path, position];
  }

  /** Reads files on where they were left. */
  resume(present: PresentFiles, loaded: LoadedState): void {
    for (const [path, position] of loaded.positions) this.#reach(path, position);
    const absent = new Set(this.#atPath.keys());
    for (const [path, facts] of present) {
      absent.delete(path);
      const [position, before] = [this.last(path), loaded.files.get(path)];
      const isAsRead = position?.offset === facts.size && position.inode === facts.inode;
      if (!isAsRead || before === undefined || isDifferent(before, facts)) this.#unread.add(path);
    }
    for (const path of absent) this.#noteGone(path);
  }

  /** Reads files from their beginning. */
  beginAtStart(present: PresentFiles): void {
    for (const [path] of present) this.#unread.add(path);
  }

  /** Reads only what is added to files from now on. */
  async beginAtEnd(present: PresentFiles): Promise<void> {
    const begun: Promise<void>[] = [];
    for (const [path] of present) {
      begun.push(this.#beginOneAtEnd(path));
      if (begun.length >= begunAtOnce) await Promise.all(begun.splice(0));
    }
    await Promise.all(begun);
  }

  async #beginOneAtEnd(path: string): Promise<void> {
    const position = await this.#tail.end(path, this.#isLink(path));
    if (position !== undefined) this.#reach(path, position);
  }

  /** A file has changed, or was moved or deleted. */
  note({ path, from, after }: FileChange): void {
    if (after === null || after.isDirectory) {
      this.#noteGone(path);
      return;
    }
    this.#unread.add(path);
    if (from === null) return;
    const moved = this.#atPath.get(from);
    if (moved?.position.inode === after.inode) this.#reach(path, moved.position);
    else this.#noteGone(from);
  }

  /** When there is something to read, on the monotonic clock; undefined: once something changes. */
  nextMs(nowMs: number): number | undefined {
    if (this.#unread.size > 0) return nowMs;
    return this.#unreadable.size > 0 ? this.#retryAtMs : undefined;
  }

  /**
   * Reads some of what each file has to read. What cannot be read is read later.
   *
   * @param take is handed some lines of a file; the next are read once it resolves, unless with false. If it throws, so
   *   does this.
   */
  async read(nowMs: number, take: (lines: TailedLines) => Promise<boolean>): Promise<void> {
    this.#retryUnreadable(nowMs);
    // What is added meanwhile has its turn next time.
    let left = this.#unread.size;
    for (const path of this.#unread) {
      if (left === 0) return;
      left -= 1;
      this.#unread.delete(path);
      if (!(await this.#readSome(path, take))) return;
    }
  }

  /** Nothing else would say that a file can be read again. */
  #retryUnreadable(nowMs: number): void {
    if (this.#unreadable.size === 0 || nowMs < this.#retryAtMs) return;
    this.#retryAtMs = nowMs + retryMs;
    for (const path of this.#unreadable) this.#unread.add(path);
    this.#unreadable.clear();
  }

  async #readSome(path: string, take: (lines: TailedLines) => Promise<boolean>): Promise<boolean> {
    this.#unreadable.delete(path);
    const pieces = this.#tail.read(path, this, this.#isLink(path));
    try {
      for (let count = 0; count < piecesAtOnce; count += 1) {
        const lines = await this.#nextOf(path, pieces);
        if (lines === undefined) return true;
        this.#reach(lines.path, lines.position);
        if (!(await take(lines))) return false;
      }
      this.#unread.add(path);
      return true;
    } finally {
      // Closes the file.
      await pieces.return(undefined);
    }
  }

  async #nextOf(path: string, pieces: AsyncGenerator<TailedLines>): Promise<TailedLines | undefined> {
    try {
      const { value, done } = await pieces.next();
      return done === true ? undefined : value;
    } catch (error) {
      this.#options.warn(`could not read new lines of ${path.toWellFormed()}: ${messageOf(error)}`);
      this.#unreadable.add(path);
      return undefined;
    }
  }

  #reach(path: string, position: TailPosition): void {
    const key = identityKey(position);
    const file = this.#files.get(key) ?? { path, position };
    const before = this.#atPath.get(path);
    file.position = position;
    this.#gone.delete(file);
    if (before === file) return;
    if (this.#atPath.get(file.path) === file) this.#atPath.delete(file.path);
    file.path = path;
    this.#files.delete(key);
    this.#files.set(key, file);
    this.#atPath.set(path, file);
    if (before !== undefined) this.#remember(before);
  }

  /** The path is kept: if another file comes there, it was a rotation. */
  #noteGone(path: string): void {
    const file = this.#atPath.get(path);
    if (file !== undefined) this.#remember(file);
  }

  #remember(file: TailedFile): void {
    this.#gone.delete(file);
    this.#gone.add(file);
    const [oldest] = this.#gone;
    if (this.#gone.size <= goneMax || oldest === undefined) return;
    this.#gone.delete(oldest);
    this.#files.delete(identityKey(oldest.position));
    if (this.#atPath.get(oldest.path) === oldest) this.#atPath.delete(oldest.path);
  }

  #isLink(path: string): boolean {
    return path === this.#options.base;
  }
}

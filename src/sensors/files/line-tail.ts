/**
 * Reads the lines that are added to the files of one rule, from where it left each.
 *
 *   same file, longer              the new lines
 *   same file, shorter, or with    truncated: from its beginning
 *     other bytes before that
 *   another file at that path      rotated: first the rest of the old one, which is searched for in its folder, then the new one
 *                                  from its beginning. If the old one is gone, its rest is lost, which is an event of its own
 *   another path of a known file   from where it was left, wherever that was
 *
 * A last line without an end waits until it is complete, or the file was rotated.
 */
import { createHash } from "node:crypto";
import { cutLines, linePieceBytesMax } from "../../model/files/line-cut.ts";
import { pathFields } from "../../model/files/file-payload.ts";
import type { JsonObject, JsonValue } from "../../model/json/json.ts";
import type { FileSystem, Look, OpenFile } from "./file-system.ts";
import { identityKey, type FileIdentity, type TailPosition } from "./rule-state.ts";

export interface LineEvent {
  readonly payload: JsonObject;
  /** Equal only for the same line of the same file. */
  readonly identity: JsonValue;
}

export interface TailedLines {
  /** Where the file is. */
  readonly path: string;
  readonly events: readonly LineEvent[];
  /** After these lines. */
  readonly position: TailPosition;
}

/** What is known of the files of a rule. */
export interface KnownFiles {
  /** Of the file that was last seen at this path, if it was not seen elsewhere since. */
  last(path: string): TailPosition | undefined;
  /** Of this file, wherever it was read. */
  of(file: FileIdentity): TailPosition | undefined;
  /** Whether the rule reads the file at this path, too. */
  follows(path: string): boolean;
}

const readBytes = 4 * linePieceBytesMax;
const markBytes = 64;
const siblingsMax = 10_000;

export class LineTail {
  readonly #fileSystem: FileSystem;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /**
   * The lines that were not read yet, in pieces; each is to be recorded before the next is asked for. Whoever stops after any
   * of them can begin anew there.
   *
   * @param isLink whether the path may be a link
   */
  async *read(path: string, known: KnownFiles, isLink: boolean): AsyncGenerator<TailedLines> {
    const file = await this.#fileSystem.open(path, isLink);
    if (file === undefined) return;
    try {
      const fresh = beginning(file.look);
      const last = known.last(path);
      const isOther = last !== undefined && !isSameFile(last, fresh);
      const gap = isOther ? yield* this.#rest(path, last, known) : undefined;
      const position = known.of(fresh);
      if (isOther || (last === undefined && position !== undefined))
        yield { path, events: gap === undefined ? [] : [gap], position: position ?? fresh };
      yield* readOn(file, { at: path, as: path }, position ?? fresh, false);
    } finally {
      await file.close();
    }
  }

  /** After everything that the file has now, even if it may not be read yet; undefined: there is no file. */
  async end(path: string, isLink: boolean): Promise<TailPosition | undefined> {
    try {
      return await this.#endWithMark(path, isLink);
    } catch {
      const look = await (isLink ? this.#fileSystem.lookAtTarget(path) : this.#fileSystem.look(path));
      return look === undefined ? undefined : { ...beginning(look), offset: look.facts.size };
    }
  }

  async #endWithMark(path: string, isLink: boolean): Promise<TailPosition | undefined> {
    const file = await this.#fileSystem.open(path, isLink);
    if (file === undefined) return undefined;
    try {
      const offset = file.look.facts.size;
      const buffer = Buffer.alloc(Math.min(markBytes, offset));
      // If the file has become shorter since, the mark is of something else, and the next read begins anew.
      await file.read(buffer, offset - buffer.length);
      return { ...beginning(file.look), offset, mark: markOf(buffer) };
    } finally {
      await file.close();
    }
  }

  /** What a file that was rotated away still has; returns what to report if it is gone. */
  async *#rest(
    path: string,
    last: TailPosition,
    known: KnownFiles,
  ): AsyncGenerator<TailedLines, LineEvent | undefined> {
    const rotated = await this.#find(path.slice(0, path.lastIndexOf("/")) || "/", last);
    const file = rotated === undefined ? undefined : await this.#fileSystem.open(rotated, false);
    if (rotated === undefined || file === undefined) {
      const { inode, birthMs, round, offset } = last;
      const reason =
        "the file was replaced, and the old one is gone, with the lines after this offset that it may have had";
      return {
        payload: payloadOf(path, "gap", { offset, reason }),
        identity: ["gap", path.toWellFormed(), inode, birthMs, round, offset],
      };
    }
    try {
      if (known.follows(rotated)) {
        yield* readOn(file, { at: rotated, as: path }, last, false);
      } else {
        yield* readOn(file, { at: path, as: path }, last, true);
      }
    } finally {
      await file.close();
    }
    return undefined;
  }

  async #find(folder: string, sought: FileIdentity): Promise<string | undefined> {
    const names = (await this.#fileSystem.names(folder)) ?? [];
    for (const name of names.slice(0, siblingsMax)) {
      const path = folder === "/" ? `/${name}` : `${folder}/${name}`;
      const look = await this.#fileSystem.look(path);
      if (look !== undefined && isSameFile(beginning(look), sought)) return path;
    }
    return undefined;
  }
}

function beginning({ facts, birthMs }: Look): TailPosition {
  return { inode: facts.inode, birthMs, offset: 0, round: 0, mark: "" };
}

function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return identityKey(one) === identityKey(other);
}

/**
 * The lines after the position, or all lines if the file was truncated since. Each read begins with the bytes before the
 * position, so that what follows belongs to them: between two reads, the file may be truncated and written anew.
 *
 * @param path where the file is, and where its lines were written
 */
async function* readOn(
  file: OpenFile,
  path: { readonly at: string; readonly as: string },
  from: TailPosition,
  isEnd: boolean,
): AsyncGenerator<TailedLines> {
  const buffer = Buffer.allocUnsafe(markBytes + readBytes);
  for (let position = from; ;) {
    const { inode, birthMs, round } = position;
    const known = Math.min(markBytes, position.offset);
    const bytesRead = await file.read(buffer.subarray(0, known + readBytes), position.offset - known);
    if (bytesRead < known || !hasMark(position, buffer.subarray(0, known))) {
      position = { inode, birthMs, offset: 0, round: round + 1, mark: "" };
      continue;
    }
    const added = buffer.subarray(known, bytesRead);
    const cut = cutLines(added, position.offset, isEnd && added.length < readBytes);
    if (cut.bytes === 0) return;
    const events = cut.lines.map(({ text, offset: at, continues }): LineEvent => ({
      payload: payloadOf(path.as, "line", { line: text, offset: at, ...(continues ? { continues } : {}) }),
      identity: ["line", path.as.toWellFormed(), inode, birthMs, round, at],
    }));
    const mark = markOf(buffer.subarray(0, known + cut.bytes));
    position = { inode, birthMs, offset: position.offset + cut.bytes, round, mark };
    yield { path: path.at, events, position };
  }
}

/** @param bytes those before the position */
function hasMark({ mark }: TailPosition, bytes: Uint8Array): boolean {
  return mark === "" || mark === markOf(bytes);
}

function markOf(bytes: Uint8Array): string {
  const last = bytes.subarray(-markBytes);
  return createHash("sha256").update(last).digest("base64url").slice(0, 12);
}

function payloadOf(path: string, type: "line" | "gap", rest: JsonObject): JsonObject {
  return { type: "file_changed", event_type: type, ...pathFields(path), ...rest };
}

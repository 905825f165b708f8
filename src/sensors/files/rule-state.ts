/**
 * Records on disk what a rule has reported, so that its next start finds the changes in between and repeats none.
 *
 * One file a rule, of JSON lines:
 *
 *   {"version": 1, "base": PATH}     the place that the record is for; a record for another place is ignored
 *   ["f", PATH, FACTS]               a file as the rule last reported it, or knew it when it began
 *   ["r", NUMBER, PATHS, EVENTS, POSITIONS]   a change: the new facts of its paths (null: nothing is there), its events, and
 *                                    the positions after them
 *   ["p", PATH, POSITION]            how far the lines of the file that was at this path were reported
 *   ["s", NUMBER]                    the events of that change are stored, or refused for good
 *
 * A change is written before its events are submitted. After a crash, events of changes without an "s" are submitted
 * again unchanged, and their dedup_key prevents storing them twice. When the changes outgrow the rest of the file, it is
 * rewritten from memory. It takes about 100 bytes a file, and one pass over it at a start.
 *
 * Changes are not synced to the disk. After a power loss, a comparison with the files finds them again, with the same
 * dedup_keys as long as the files are the same.
 */
import { createReadStream } from "node:fs";
import { appendFile, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { hasCode } from "../../errors/caught.ts";
import { makeDirectory } from "../../files/make-directory.ts";
import type { FileFacts } from "../../model/files/file-change.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";

/** An event ready to be submitted, as often as necessary. */
export interface PreparedEvent {
  readonly payload: JsonObject;
  readonly dedupKey: string;
}

/** Two files that exist at the same time are never equal in both; a file keeps them when it is moved. */
export interface FileIdentity {
  readonly inode: number;
  readonly birthMs: number;
}

/** How far the lines of a file were reported. */
export interface TailPosition extends FileIdentity {
  /** In bytes. */
  readonly offset: number;
  /** How often the file was truncated. */
  readonly round: number;
  /** A hash of the bytes before the offset, which a file that was truncated and grew again does not have; "": unknown. */
  readonly mark: string;
}

export interface RecordedChange {
  readonly number: number;
  readonly facts: readonly (readonly [path: string, facts: FileFacts | null])[];
  readonly events: readonly PreparedEvent[];
  readonly positions: readonly ReachedPosition[];
}

/** How far a file was read, and the path where it was last seen. */
export type ReachedPosition = readonly [path: string, position: TailPosition];

export interface LoadedState {
  /** One for each file. If several were seen at one path, the last one is the last in order. */
  readonly positions: readonly ReachedPosition[];
  readonly files: Map<string, FileFacts>;
  /** Changes whose events may not have been stored. */
  readonly unsettled: readonly RecordedChange[];
}

const growthMin = 4 * 1024 * 1024;
const linesAtOnce = 1_000;

export class RuleState {
  readonly #file: string;
  readonly #base: string;
  #wholeBytes = 0;
  #addedBytes = 0;
  #number = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: string, base: string) {
    this.#file = file;
    this.#base = base;
  }

  get hasOutgrown(): boolean {
    return this.#addedBytes > Math.max(growthMin, this.#wholeBytes);
  }

  /** Undefined: there is none for this place. */
  async load(): Promise<LoadedState | undefined> {
    const files = new Map<string, FileFacts>();
    const unsettled = new Map<number, RecordedChange>();
    const positions = new Map<string, ReachedPosition>();
    let isHeaderRead = false;
    try {
      const lines = createInterface({
        input: createReadStream(this.#file),
        crlfDelay: Number.POSITIVE_INFINITY,
      });
      for await (const line of lines) {
        const value = parsed(line);
        // The last line of a process that was killed may be incomplete.
        if (value === undefined) continue;
        if (!isHeaderRead) {
          if (!isHeaderOf(value, this.#base)) return undefined;
          isHeaderRead = true;
        } else {
          this.#replay(value, files, positions, unsettled);
        }
      }
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
    return isHeaderRead
      ? { files, positions: [...positions.values()], unsettled: [...unsettled.values()] }
      : undefined;
  }

  /**
   * Replaces the file. What is recorded meanwhile is written after it.
   *
   * @param unsettled the changes to keep, asked for when everything recorded before and all the rest is written: what files
   *   and positions say already, although its record waits for this, has to be among them
   */
  rewrite(
    files: () => Iterable<readonly [path: string, facts: FileFacts]>,
    positions: () => Iterable<ReachedPosition>,
    unsettled: () => readonly RecordedChange[],
  ): Promise<void> {
    return this.#inTurn(() => this.#replace(files(), positions(), unsettled));
  }

  async #replace(
    files: Iterable<readonly [path: string, facts: FileFacts]>,
    positions: Iterable<ReachedPosition>,
    unsettled: () => readonly RecordedChange[],
  ): Promise<void> {
    const directory = dirname(this.#file);
    await makeDirectory(directory);
    const temporary = `${this.#file}.new`;
    const handle = await open(temporary, "w", 0o600);
    let bytes = 0;
    try {
      let lines = [JSON.stringify({ version: 1, base: this.#base })];
      const flush = async (): Promise<void> => {
        const text = `${lines.join("\n")}\n`;
        lines = [];
        bytes += (await handle.write(text)).bytesWritten;
      };
      for (const [path, facts] of files) {
        lines.push(JSON.stringify(["f", path, packed(facts)]));
        if (lines.length >= linesAtOnce) await flush();
      }
      for (const [path, position] of positions) {
        lines.push(JSON.stringify(["p", path, packedPosition(position)]));
        if (lines.length >= linesAtOnce) await flush();
      }
      for (const change of unsettled()) lines.push(lineOf(change));
      if (lines.length > 0) await flush();
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, this.#file);
    this.#wholeBytes = bytes;
    this.#addedBytes = 0;
  }

  nextNumber(): number {
    return this.#number++;
  }

  /** Submit the events of changes only when they are written. */
  async record(changes: readonly RecordedChange[]): Promise<void> {
    await this.#append(changes.map(lineOf));
  }

  /** The events of changes are stored. If this is lost, they are submitted once more. */
  async settle(numbers: readonly number[]): Promise<void> {
    await this.#append(numbers.map((number) => JSON.stringify(["s", number])));
  }

  #append(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return Promise.resolve();
    const text = `${lines.join("\n")}\n`;
    this.#addedBytes += text.length;
    return this.#inTurn(() => appendFile(this.#file, text));
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.#writing.then(write);
    this.#writing = written.catch(() => {});
    return written;
  }

  #replay(
    value: JsonValue,
    files: Map<string, FileFacts>,
    positions: Map<string, ReachedPosition>,
    unsettled: Map<number, RecordedChange>,
  ): void {
    if (!isJsonArray(value)) return;
    const [kind, first, second, third, fourth] = value;
    if (kind === "f" && typeof first === "string") {
      const facts = unpacked(second);
      if (facts !== null) files.set(first, facts);
    } else if (kind === "p" && typeof first === "string") {
      const position = unpackedPosition(second);
      if (position !== undefined) noteReached(positions, [first, position]);
    } else if (kind === "s" && typeof first === "number") {
      unsettled.delete(first);
    } else if (kind === "r" && typeof first === "number") {
      const facts = pairsOf(second).map(([path, each]) => [path, unpacked(each)] as const);
      for (const [path, each] of facts) {
        if (each === null) files.delete(path);
        else files.set(path, each);
      }
      const reached = pairsOf(fourth).flatMap(([path, each]): readonly ReachedPosition[] => {
        const position = unpackedPosition(each);
        return position === undefined ? [] : [[path, position]];
      });
      for (const each of reached) noteReached(positions, each);
      unsettled.set(first, { number: first, facts, events: eventsOf(third), positions: reached });
      this.#number = Math.max(this.#number, first + 1);
    }
  }
}

/** Equal for the same file only. */
export function identityKey({ inode, birthMs }: FileIdentity): string {
  return `${inode}:${birthMs}`;
}

function noteReached(positions: Map<string, ReachedPosition>, reached: ReachedPosition): void {
  const key = identityKey(reached[1]);
  positions.delete(key);
  positions.set(key, reached);
}

function lineOf({ number, facts, events, positions }: RecordedChange): string {
  const paths = facts.map(([path, each]) => [path, each === null ? null : packed(each)]);
  const reached = positions.map(([path, each]) => [path, packedPosition(each)]);
  return JSON.stringify(["r", number, paths, events, reached]);
}

function packed({ size, mtimeMs, ctimeMs, inode, isDirectory }: FileFacts): readonly number[] {
  return [size, mtimeMs, ctimeMs, inode, isDirectory ? 1 : 0];
}

function packedPosition({ inode, birthMs, offset, round, mark }: TailPosition): readonly (number | string)[] {
  return [inode, birthMs, offset, round, mark];
}

function unpackedPosition(value: JsonValue | undefined): TailPosition | undefined {
  if (!isJsonArray(value)) return undefined;
  const [inode, birthMs, offset, round] = value.map((each) => (typeof each === "number" ? each : undefined));
  const mark = value[4];
  if (inode === undefined || birthMs === undefined || offset === undefined || round === undefined)
    return undefined;
  return { inode, birthMs, offset, round, mark: typeof mark === "string" ? mark : "" };
}

function unpacked(value: JsonValue | undefined): FileFacts | null {
  if (!isJsonArray(value)) return null;
  const [size, mtimeMs, ctimeMs, inode, isDirectory] = value.map((each) =>
    typeof each === "number" ? each : undefined,
  );
  if (size === undefined || mtimeMs === undefined || ctimeMs === undefined || inode === undefined)
    return null;
  return { size, mtimeMs, ctimeMs, inode, isDirectory: isDirectory === 1 };
}

function pairsOf(value: JsonValue | undefined): readonly (readonly [string, JsonValue | undefined])[] {
  if (!isJsonArray(value)) return [];
  return value.flatMap((pair) =>
    isJsonArray(pair) && typeof pair[0] === "string" ? [[pair[0], pair[1]] as const] : [],
  );
}

function eventsOf(value: JsonValue | undefined): readonly PreparedEvent[] {
  if (!isJsonArray(value)) return [];
  return value
    .filter(isJsonObject)
    .flatMap(({ payload, dedupKey }) =>
      isJsonObject(payload) && typeof dedupKey === "string" ? [{ payload, dedupKey }] : [],
    );
}

function parsed(line: string): JsonValue | undefined {
  try {
    return parseJson(line);
  } catch {
    return undefined;
  }
}

function isHeaderOf(value: JsonValue, base: string): boolean {
  return isJsonObject(value) && value["version"] === 1 && value["base"] === base;
}

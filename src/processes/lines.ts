/**
 * Splits the bytes of a pipe into lines with bounded memory.
 *
 * A line ends with "\n" or with the stream. A line longer than `lineBytesMax` is skipped, and it or a line
 * that is not UTF-8 is reported by its length and its beginning. At most one line and one chunk are held.
 *
 * Fast path: a chunk's complete lines are checked and decoded together, which is several times faster than
 * line by line. Such lines are plain strings.
 */
import { isUtf8 } from "node:buffer";
import type { Readable } from "node:stream";
import { hasCode } from "../errors/caught.ts";

export type Line = string | UnreadableLine;

export interface UnreadableLine {
  readonly kind: "too-long" | "not-utf8";
  /** The whole line's length, without its newline. */
  readonly bytes: number;
  /** Its beginning, with undecodable bytes replaced. */
  readonly excerpt: string;
}

const newline = 0x0a;
const excerptBytesMax = 200;

export class LineSplitter {
  readonly #lineBytesMax: number;
  /** The beginning of an unfinished line; only an excerpt once it is too long. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The lines that end within this chunk. */
  push(chunk: Buffer): Line[] {
    const firstEnd = chunk.indexOf(newline);
    if (firstEnd === -1) {
      this.#hold(chunk);
      return [];
    }

    this.#hold(chunk.subarray(0, firstEnd));
    const lines = [this.#takePending()];
    const lastEnd = chunk.lastIndexOf(newline);
    if (lastEnd > firstEnd) {
      for (const line of this.#decode(chunk.subarray(firstEnd + 1, lastEnd))) lines.push(line);
    }
    this.#hold(chunk.subarray(lastEnd + 1));
    return lines;
  }

  /** The last line, if the stream did not end with a newline. */
  end(): Line[] {
    return this.#pendingBytes === 0 ? [] : [this.#takePending()];
  }

  #decode(block: Buffer): Line[] {
    if (block.length <= this.#lineBytesMax && isUtf8(block)) return block.toString("utf8").split("\n");

    const lines: Line[] = [];
    let start = 0;
    while (start <= block.length) {
      const found = block.indexOf(newline, start);
      const end = found === -1 ? block.length : found;
      lines.push(this.#lineOf(block.subarray(start, end), end - start));
      start = end + 1;
    }
    return lines;
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return;
    this.#pendingBytes += part.length;
    if (this.#pendingBytes <= this.#lineBytesMax) {
      this.#pending.push(part);
      return;
    }
    // Copy, so that the excerpt does not keep whole chunks alive.
    const beginning = Buffer.concat([...this.#pending, part].slice(0, excerptBytesMax));
    this.#pending = [Buffer.from(beginning.subarray(0, excerptBytesMax))];
  }

  #takePending(): Line {
    const line = this.#lineOf(Buffer.concat(this.#pending), this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    return line;
  }

  #lineOf(held: Buffer, bytes: number): Line {
    if (bytes > this.#lineBytesMax) return { kind: "too-long", bytes, excerpt: excerptOf(held) };
    if (!isUtf8(held)) return { kind: "not-utf8", bytes, excerpt: excerptOf(held) };
    return held.toString("utf8");
  }
}

/**
 * The stream's lines in batches, as they arrive. The stream is read only as far as the consumer asks.
 * Destroying the stream ends the batches; an unfinished last line is then dropped, since it may be
 * incomplete.
 */
export async function* linesOf(stream: Readable, lineBytesMax: number): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(lineBytesMax);
  try {
    for await (const chunk of stream) {
      const lines = splitter.push(chunk);
      if (lines.length > 0) yield lines;
    }
  } catch (error) {
    if (!stream.destroyed || !isPrematureClose(error)) throw error;
    return;
  }
  const last = splitter.end();
  if (last.length > 0) yield last;
}

function excerptOf(held: Buffer): string {
  return held.subarray(0, excerptBytesMax).toString("utf8");
}

function isPrematureClose(error: unknown): boolean {
  return hasCode(error, "ERR_STREAM_PREMATURE_CLOSE");
}

import type { Line } from "../../processes/lines.ts";

const linesMax = 20;
const firstLinesMax = 5;
const lineLengthMax = 500;
/** A program that reports why it ends prints its lines without a pause of this length. */
const pauseMs = 100;

/**
 * The last lines a sensor wrote to stderr, to explain a failure. Bounded.
 *
 * Python gives the reason at the end of a stack trace; Java, Go, Ruby and PHP give it at the beginning. So of many lines
 * without a pause between them the first few are kept, too.
 */
export class StderrTail {
  #last: readonly string[] = [];
  /** The first lines since the last pause. */
  #first: readonly string[] = [];
  #countSincePause = 0;
  #pushedAtMs = -Infinity;

  /** @param atMs from the monotonic clock */
  push(lines: readonly string[], atMs: number): void {
    if (atMs - this.#pushedAtMs > pauseMs) {
      this.#first = [];
      this.#countSincePause = 0;
    }
    this.#pushedAtMs = atMs;
    this.#first = [...this.#first, ...lines.slice(0, firstLinesMax)].slice(0, firstLinesMax);
    this.#countSincePause += lines.length;
    this.#last = [...this.#last, ...lines.slice(-linesMax)].slice(-linesMax);
  }

  clear(): void {
    this.#last = [];
    this.#first = [];
    this.#countSincePause = 0;
  }

  lines(): readonly string[] {
    return this.#kept().map((line) => line.slice(0, lineLengthMax));
  }

  #kept(): readonly string[] {
    if (this.#countSincePause <= linesMax) return this.#last;
    const last = this.#last.slice(firstLinesMax + 1 - linesMax);
    const omitted = this.#countSincePause - this.#first.length - last.length;
    return [...this.#first, `(${omitted} lines are left out)`, ...last];
  }
}

/** A log line as text, whatever its bytes. */
export function logText(line: Line): string {
  return typeof line === "string" ? line : `${line.excerpt}… (${line.bytes} bytes, ${line.kind})`;
}

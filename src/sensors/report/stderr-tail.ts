import type { Line } from "../../processes/lines.ts";

const linesMax = 20;
const lineLengthMax = 500;

/** The last lines a sensor wrote to stderr, for whoever asks why it failed. Bounded. */
export class StderrTail {
  #lines: string[] = [];

  push(lines: readonly string[]): void {
    this.#lines = [...this.#lines, ...lines.slice(-linesMax)].slice(-linesMax);
  }

  clear(): void {
    this.#lines = [];
  }

  lines(): readonly string[] {
    return this.#lines.map((line) => line.slice(0, lineLengthMax));
  }
}

/** A line of a log as text, whatever it was. */
export function logText(line: Line): string {
  return typeof line === "string" ? line : `${line.excerpt}… (${line.bytes} bytes, ${line.kind})`;
}

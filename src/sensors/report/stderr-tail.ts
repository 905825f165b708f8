import type { Line } from "../../processes/lines.ts";

const linesMax = 20;
const lineLengthMax = 500;

/** The last lines a sensor wrote to stderr, to explain a failure. Bounded. */
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

/** A log line as text, whatever its bytes. */
export function logText(line: Line): string {
  return typeof line === "string" ? line : `${line.excerpt}… (${line.bytes} bytes, ${line.kind})`;
}

/** The last lines of a sensor's log where no files are kept. Bounded. */
import { randomUUID } from "node:crypto";
import { lastTime, type LogPage, type LogPosition } from "../../model/sensors/log-page.ts";

const charactersMax = 64 * 1024;

export class MemoryLog {
  readonly #source = `memory ${randomUUID()}`;
  #lines: string[] = [];
  #characters = 0;
  /** Lines that were dropped. */
  #dropped = 0;

  push(line: string): void {
    const kept = line.slice(0, charactersMax);
    this.#lines.push(kept);
    this.#characters += kept.length;
    let count = 0;
    while (this.#characters > charactersMax) {
      this.#characters -= this.#lines[count]?.length ?? 0;
      count += 1;
    }
    if (count === 0) return;
    this.#lines = this.#lines.slice(count);
    this.#dropped += count;
  }

  tail(count: number): LogPage {
    return this.#page(count === 0 ? [] : this.#lines.slice(-count), "");
  }

  /** Undefined: what follows has been dropped, or the position is another log's. */
  after({ source, offset, time }: LogPosition): LogPage | undefined {
    if (source !== this.#source || offset < this.#dropped) return undefined;
    return this.#page(this.#lines.slice(offset - this.#dropped), time);
  }

  #page(lines: readonly string[], before: string): LogPage {
    const offset = this.#dropped + this.#lines.length;
    return { lines, position: { source: this.#source, offset, time: lastTime(this.#lines, before) } };
  }
}

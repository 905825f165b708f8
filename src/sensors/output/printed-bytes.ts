/**
 * The output of a program so far, as blocks of bytes. Chunks of any size cost no more memory than their bytes, and nothing
 * is copied again when more arrives.
 */
const blockBits = 16;
const blockBytes = 1 << blockBits;

export class PrintedBytes {
  readonly #blocks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(chunk: Buffer): void {
    for (let from = 0; from < chunk.length;) {
      const place = this.#length & (blockBytes - 1);
      if (place === 0) this.#blocks.push(Buffer.allocUnsafeSlow(blockBytes));
      const copied = chunk.copy(this.#blocks.at(-1) ?? chunk, place, from);
      from += copied;
      this.#length += copied;
    }
  }

  /** The byte at a position, which must exist. */
  at(place: number): number {
    return this.#blocks[place >> blockBits]?.[place & (blockBytes - 1)] ?? 0;
  }

  /** The first position in [from, to) with that byte; `to` if there is none. */
  indexOf(byte: number, from: number, to: number): number {
    for (let start = from; start < to;) {
      const end = Math.min(to, (start | (blockBytes - 1)) + 1);
      const found = this.slice(start, end).indexOf(byte);
      if (found !== -1) return start + found;
      start = end;
    }
    return to;
  }

  /** The last position in [from, to) with that byte; -1 if there is none. */
  lastIndexOf(byte: number, from: number, to: number): number {
    for (let end = to; end > from;) {
      const start = Math.max(from, (end - 1) & ~(blockBytes - 1));
      const found = this.slice(start, end).lastIndexOf(byte);
      if (found !== -1) return start + found;
      end = start;
    }
    return -1;
  }

  /** Shares memory with this object if it is within one block, otherwise copied. */
  slice(from: number, to: number): Buffer {
    const parts: Buffer[] = [];
    for (let start = from; start < to;) {
      const end = Math.min(to, (start | (blockBytes - 1)) + 1);
      const block = this.#blocks[start >> blockBits];
      const place = start & (blockBytes - 1);
      if (block !== undefined) parts.push(block.subarray(place, place + end - start));
      start = end;
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  }
}

/**
 * Locates the entries of a list in printed JSON by the brackets and commas of its two outermost levels.
 *
 * A list is an array, or the events of a page: an object with `events` and no keys but `events` and `checkpoint`.
 */
import { decodeJson } from "../../model/json/json-text.ts";
import type { PrintedBytes } from "./printed-bytes.ts";

export interface Range {
  readonly from: number;
  readonly to: number;
}

export type PollDocument =
  | { readonly kind: "value"; readonly range: Range }
  | {
      readonly kind: "list";
      readonly range: Range;
      /** At most as many as requested. */
      readonly entries: readonly Range[];
      readonly entryCount: number;
      readonly checkpoint: Range | undefined;
    };

/** Including surrounding spaces; a longer key cannot be one of the two. */
const keyBytesMax = 1_000;

export class ListMarks {
  readonly #bytes: PrintedBytes;
  readonly #entriesMax: number;
  readonly #entries: Range[] = [];
  #entryCount = 0;
  #isArray = false;
  #isInEvents = false;
  #entryFrom = 0;
  /** Whether the current entry follows another. */
  #isFurther = false;
  #memberFrom = 0;
  #key: string | undefined;
  #valueFrom = 0;
  #hasEvents = false;
  #hasOtherKeys = false;
  #checkpoint: Range | undefined;

  constructor(bytes: PrintedBytes, entriesMax: number) {
    this.#bytes = bytes;
    this.#entriesMax = entriesMax;
  }

  /** @param depth counts the bracket itself */
  opened(depth: number, isArray: boolean, at: number): void {
    if (depth === 1) this.#isArray = isArray;
    if (depth === 2 && isArray && this.#key === "events") this.#isInEvents = true;
    if (this.#isEntryLevel(depth)) this.#entryFrom = at + 1;
    else if (depth === 1) this.#memberFrom = at + 1;
  }

  /** A comma. @param depth of the brackets around it */
  separated(depth: number, at: number): void {
    if (this.#isEntryLevel(depth)) {
      this.#endEntry(at);
      this.#entryFrom = at + 1;
      this.#isFurther = true;
    } else if (depth === 1) {
      this.#endMember(at);
      this.#memberFrom = at + 1;
    }
  }

  /** A colon. @param depth of the brackets around it */
  named(depth: number, at: number): void {
    if (depth !== 1) return;
    this.#key = this.#keyIn(this.#memberFrom, at);
    this.#valueFrom = at + 1;
  }

  /** @param depth counts the bracket itself */
  closed(depth: number, at: number): void {
    if (this.#isEntryLevel(depth)) {
      // After a comma an entry is missing; after the opening bracket none is.
      if (this.#isFurther || this.#textIn(this.#entryFrom, at) !== "") this.#endEntry(at);
      this.#isFurther = false;
      this.#isInEvents = false;
    } else if (depth === 1) {
      this.#endMember(at);
    }
  }

  document(range: Range): PollDocument {
    const isList = this.#isArray || (this.#hasEvents && !this.#hasOtherKeys);
    if (!isList) return { kind: "value", range };
    return {
      kind: "list",
      range,
      entries: this.#entries,
      entryCount: this.#entryCount,
      checkpoint: this.#checkpoint,
    };
  }

  #isEntryLevel(depth: number): boolean {
    return this.#isArray ? depth === 1 : depth === 2 && this.#isInEvents;
  }

  #endEntry(at: number): void {
    this.#entryCount += 1;
    if (this.#entries.length < this.#entriesMax) this.#entries.push({ from: this.#entryFrom, to: at });
  }

  #endMember(at: number): void {
    const key = this.#key;
    this.#key = undefined;
    if (key === "events" && /^(?:\[|null$)/.test(this.#textIn(this.#valueFrom, at))) this.#hasEvents = true;
    else if (key === "checkpoint") this.#checkpoint = { from: this.#valueFrom, to: at };
    else if (key !== undefined) this.#hasOtherKeys = true;
  }

  #keyIn(from: number, to: number): string {
    const decoded = decodeJson(this.#textIn(from, to));
    return decoded.kind === "valid" && typeof decoded.value === "string" ? decoded.value : "";
  }

  /** Only the beginning of a long key. */
  #textIn(from: number, to: number): string {
    return this.#bytes
      .slice(from, Math.min(to, from + keyBytesMax))
      .toString("latin1")
      .trim();
  }
}

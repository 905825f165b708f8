/**
 * Finds the end of a printed JSON value without parsing it.
 *
 * Only brackets, commas, colons and quotes matter; any other word counts as a value. So an invalid entry of a list, such
 * as one with a NaN, does not hide the other entries. Text that no JSON printer writes breaks the value, such as a string
 * that does not end on its line, or two objects without a comma between them.
 */
import { ListMarks, type PollDocument } from "./list-marks.ts";
import type { PrintedBytes } from "./printed-bytes.ts";

type Expectation = "value" | "key" | "colon" | "comma";

const newline = 0x0a;
const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** By byte value: white space between tokens, and bytes that end a word. */
const blanks = new Uint8Array(256);
for (const byte of [0x20, 0x09, newline, 0x0d]) blanks[byte] = 1;
const delimiters = Uint8Array.from(blanks);
for (const byte of [quote, comma, colon, openBracket, closeBracket, openBrace, closeBrace])
  delimiters[byte] = 1;

/** Deeper brackets contain no entries of a list. */
const markedDepth = 2;

export class ValueScan {
  readonly #bytes: PrintedBytes;
  readonly #from: number;
  readonly #marks: ListMarks;
  #at: number;
  #state: "unfinished" | "complete" | "broken" = "unfinished";
  /** The open brackets: 1 for an array, 0 for an object. */
  #open = new Uint8Array(64);
  #depth = 0;
  #expected: Expectation = "value";
  #isInText = false;
  #isInWord = false;

  /** @param from the position of its opening bracket */
  constructor(bytes: PrintedBytes, from: number, entriesMax: number) {
    this.#bytes = bytes;
    this.#from = from;
    this.#at = from;
    this.#marks = new ListMarks(bytes, entriesMax);
  }

  /** The position after its end, or where it breaks. */
  get at(): number {
    return this.#at;
  }

  /** Whether it is still unfinished at the end of the bytes. */
  get state(): "unfinished" | "complete" | "broken" {
    return this.#state;
  }

  /** Scans at most that many further bytes. */
  read(bytesMax: number): void {
    const end = Math.min(this.#bytes.length, this.#at + bytesMax);
    while (this.#at < end && this.#state === "unfinished") this.#step(this.#bytes.at(this.#at));
  }

  /** Of a complete value. */
  document(): PollDocument {
    return this.#marks.document({ from: this.#from, to: this.#at });
  }

  #step(byte: number): void {
    if (this.#isInText) {
      this.#stepInText(byte);
    } else if (this.#isInWord && delimiters[byte] === 0) {
      this.#at += 1;
    } else {
      this.#isInWord = false;
      const isExpected = blanks[byte] === 1 || this.#take(byte);
      if (isExpected) this.#at += 1;
      else this.#state = "broken";
    }
  }

  #stepInText(byte: number): void {
    if (byte === newline) {
      this.#state = "broken";
      return;
    }
    if (byte === quote) this.#isInText = false;
    const isEscaping = byte === backslash && this.#bytes.at(this.#at + 1) !== newline;
    this.#at = Math.min(this.#at + (isEscaping ? 2 : 1), this.#bytes.length);
  }

  /** Takes the first byte of a token; false if it is not allowed here. */
  #take(byte: number): boolean {
    switch (byte) {
      case quote:
        this.#isInText = true;
        return this.#turn("value", "comma") || this.#turn("key", "colon");
      case openBrace:
      case openBracket:
        return this.#turn("value", "comma") && this.#enter(byte === openBracket);
      case closeBrace:
      case closeBracket:
        return this.#leave(byte === closeBracket);
      case colon:
        if (this.#depth <= markedDepth) this.#marks.named(this.#depth, this.#at);
        return this.#turn("colon", "value");
      case comma:
        return this.#separate();
      default:
        this.#isInWord = true;
        return this.#turn("value", "comma");
    }
  }

  #turn(from: Expectation, to: Expectation): boolean {
    if (this.#expected !== from) return false;
    this.#expected = to;
    return true;
  }

  #enter(isArray: boolean): boolean {
    if (this.#depth === this.#open.length) {
      const more = new Uint8Array(this.#open.length * 2);
      more.set(this.#open);
      this.#open = more;
    }
    this.#open[this.#depth] = isArray ? 1 : 0;
    this.#depth += 1;
    this.#expected = isArray ? "value" : "key";
    if (this.#depth <= markedDepth) this.#marks.opened(this.#depth, isArray, this.#at);
    return true;
  }

  #leave(isArray: boolean): boolean {
    if (this.#isInArray() !== isArray || this.#expected === "colon") return false;
    if (this.#depth <= markedDepth) this.#marks.closed(this.#depth, this.#at);
    this.#depth -= 1;
    this.#expected = "comma";
    if (this.#depth === 0) this.#state = "complete";
    return true;
  }

  #separate(): boolean {
    const isInArray = this.#isInArray();
    // An array with nothing between two commas is an array with an entry that is not JSON.
    if (this.#expected !== "comma" && !(isInArray && this.#expected === "value")) return false;
    if (this.#depth <= markedDepth) this.#marks.separated(this.#depth, this.#at);
    this.#expected = isInArray ? "value" : "key";
    return true;
  }

  #isInArray(): boolean {
    return this.#open[this.#depth - 1] === 1;
  }
}

/**
 * Locates the JSON documents in the output of a poll run, in slices, before decoding any. A run counts as a whole or
 * not at all, so the number of its events must be known first.
 *
 * The output is a sequence of JSON documents in any layout. A document begins at the start of a line or after another
 * document. Other lines, and documents that are malformed, are junk: reported and not decoded. After a document that
 * was cut off, the following lines are valid again; see broken-lines.ts.
 */
import type { WorkSlices } from "../../concurrency/work-slices.ts";
import { opensSprawl, Sprawl, type LineShape } from "./broken-lines.ts";
import type { PollDocument, Range } from "./list-marks.ts";
import type { PrintedBytes } from "./printed-bytes.ts";
import { ValueScan } from "./value-scan.ts";

export interface PollLayout {
  readonly documents: readonly PollDocument[];
  /** The first piece of junk. */
  readonly junk: readonly Range[];
  /** How many lines of junk there are. */
  readonly junkCount: number;
  /** Values and entries of lists. Above `eventsMax` it is a lower bound, and `documents` is incomplete. */
  readonly eventCount: number;
}

export interface LayoutOptions {
  readonly slices: WorkSlices;
  readonly eventsMax: number;
  readonly junkMax: number;
}

export async function layOut(bytes: PrintedBytes, options: LayoutOptions): Promise<PollLayout> {
  const layout = new Layout(bytes, options);
  await layout.read();
  return layout;
}

const newline = 0x0a;
const scanBytes = 64 * 1024;
/** How much of a line is read to classify it: its beginning and its end suffice. */
const glanceBytes = 1_024;
/** The cost of classifying a line in addition to its bytes, and of a scan. */
const lineWork = 1_024;
const scanWork = 256;
const byteOrderMark = [0xef, 0xbb, 0xbf];
/** Between documents: JSON's white space, and the record separator of RFC 7464, which `jq --seq` prints. */
const blanks: ReadonlySet<number> = new Set([0x20, 0x09, newline, 0x0d, 0x1e]);

class Layout implements PollLayout {
  readonly documents: PollDocument[] = [];
  readonly junk: Range[] = [];
  junkCount = 0;
  eventCount = 0;
  readonly #bytes: PrintedBytes;
  readonly #options: LayoutOptions;
  #place = 0;
  /** The start of the line at that position. */
  #line = 0;

  constructor(bytes: PrintedBytes, options: LayoutOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  async read(): Promise<void> {
    if (byteOrderMark.every((byte, place) => this.#bytes.at(place) === byte))
      this.#place = byteOrderMark.length;
    for (;;) {
      await this.#skipBlank();
      if (this.#place >= this.#bytes.length || this.eventCount > this.#options.eventsMax) return;
      if (isOpening(this.#bytes.at(this.#place))) await this.#readDocument();
      else await this.#dropLine();
    }
  }

  async #skipBlank(): Promise<void> {
    for (; this.#place < this.#bytes.length; this.#place += 1) {
      const byte = this.#bytes.at(this.#place);
      if (!blanks.has(byte)) return;
      if (byte === newline) this.#line = this.#place + 1;
      const pause = this.#options.slices.spend(1);
      if (pause !== undefined) await pause;
    }
  }

  async #readDocument(): Promise<void> {
    const from = this.#place;
    const scan = await this.#scan(from, this.#bytes.length);
    if (scan.state === "complete") {
      this.#place = scan.at;
      this.#line = Math.max(this.#line, this.#bytes.lastIndexOf(newline, from, scan.at) + 1);
      const document = scan.document();
      this.documents.push(document);
      this.eventCount += countOf(document);
      return;
    }
    const isOneLine = this.#bytes.indexOf(newline, from, scan.at) === scan.at;
    if (isOneLine) return this.#dropLine();
    if (scan.state === "broken") return this.#leaveBroken(from, scan.at);
    this.#drop(from, this.#bytes.length);
    this.#place = this.#bytes.length;
  }

  /** Drops the current line with the documents that began in it, because a line counts as a whole. */
  async #dropLine(): Promise<void> {
    const line = this.#line;
    const end = this.#bytes.indexOf(newline, this.#place, this.#bytes.length);
    let from = this.#place;
    for (
      let last = this.documents.at(-1);
      last !== undefined && last.range.from >= line;
      last = this.documents.at(-1)
    ) {
      this.documents.pop();
      this.eventCount -= countOf(last);
      from = line;
    }
    this.#drop(from, end);
    this.#place = end;
    await this.#options.slices.spend(lineWork);
    const shape = await this.#shapeOf(line, end);
    if (opensSprawl(shape)) await this.#dropSprawl(new Sprawl(shape), end + 1);
  }

  /** Continues after a document that breaks in a later line than it began in. */
  async #leaveBroken(from: number, at: number): Promise<void> {
    const opening = await this.#shapeOf(this.#line, this.#bytes.indexOf(newline, from, at));
    const line = this.#bytes.lastIndexOf(newline, from, at) + 1;
    const shape = await this.#shapeOf(line, this.#bytes.indexOf(newline, at, this.#bytes.length));
    const before = this.#bytes.lastIndexOf(newline, from, line - 1) + 1;
    const beforeShape = await this.#shapeOf(before, line - 1);
    if ("{[".includes(shape.first) && shape.indent <= opening.indent) {
      // It was cut off before this line. What looked like its last part may be a document.
      const isCutBefore = before > from && beforeShape.isObject && beforeShape.indent <= opening.indent;
      const end = isCutBefore ? before : line;
      this.#drop(from, end);
      this.#place = this.#line = end;
      return;
    }
    this.#drop(from, line);
    await this.#dropSprawl(new Sprawl({ ...opening, last: beforeShape.last }), line);
  }

  async #dropSprawl(sprawl: Sprawl, from: number): Promise<void> {
    let undecided: number | undefined;
    let place = from;
    while (place < this.#bytes.length) {
      const end = this.#bytes.indexOf(newline, place, this.#bytes.length);
      const verdict = sprawl.judge(await this.#shapeOf(place, end));
      if (verdict === "outside") {
        if (undecided !== undefined) this.junkCount -= 1;
        place = undecided ?? place;
        break;
      }
      this.junkCount += 1;
      undecided = verdict === "undecided" ? place : undefined;
      await this.#options.slices.spend(lineWork);
      place = end + 1;
    }
    this.#place = this.#line = place;
  }

  async #shapeOf(from: number, to: number): Promise<LineShape> {
    const head = this.#bytes.slice(from, Math.min(to, from + glanceBytes)).toString("latin1");
    const tail = this.#bytes.slice(Math.max(from, to - glanceBytes), to).toString("latin1");
    const indent = head.length - head.trimStart().length;
    const first = head.charAt(indent);
    const last = tail.trimEnd().at(-1) ?? "";
    const isObject = first === "{" && last === "}" && (await this.#isDocument(from + indent, to));
    return { indent, first, last, isObject };
  }

  async #isDocument(from: number, to: number): Promise<boolean> {
    const scan = await this.#scan(from, to);
    return scan.state === "complete" && this.#bytes.slice(scan.at, to).toString("latin1").trim() === "";
  }

  async #scan(from: number, to: number): Promise<ValueScan> {
    const scan = new ValueScan(this.#bytes, from, this.#options.eventsMax);
    await this.#options.slices.spend(scanWork);
    while (scan.state === "unfinished" && scan.at < to) {
      const before = scan.at;
      scan.read(Math.min(scanBytes, to - before));
      await this.#options.slices.spend(scan.at - before);
    }
    return scan;
  }

  #drop(from: number, to: number): void {
    this.junkCount += 1;
    if (this.junk.length < this.#options.junkMax) this.junk.push({ from, to });
  }
}

function countOf(document: PollDocument): number {
  return document.kind === "value" ? 1 : document.entryCount;
}

function isOpening(byte: number): boolean {
  return byte === 0x7b || byte === 0x5b;
}

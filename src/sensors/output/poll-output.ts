/**
 * Decodes the output of a poll run in slices of work. However long it is, it neither blocks the event loop nor is it
 * entirely in memory as events.
 *
 * The documents are located first (poll-layout.ts) and then decoded entry by entry, each only when there is room for it.
 * An entry that is not an event is rejected individually; the other entries and the page's checkpoint still count.
 */
import { isUtf8 } from "node:buffer";
import type { WorkSlices } from "../../concurrency/work-slices.ts";
import { invalid, valid, type Decoded } from "../../model/json/decoded.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { decodeJson } from "../../model/json/json-text.ts";
import { storableText } from "../../model/json/storable-text.ts";
import { checkpointBeside, checkpointBesideLong, decodeLongJson, quickLengthMax } from "./decode-text.ts";
import { decodeValue } from "./decode-value.ts";
import { excerptOf, rejected, type DecodedOutput, type ServedTriggers } from "./decoded-output.ts";
import type { PollDocument, Range } from "./list-marks.ts";
import { layOut, type PollLayout } from "./poll-layout.ts";
import type { PrintedBytes } from "./printed-bytes.ts";

export interface PollOutputOptions {
  readonly served: ServedTriggers;
  readonly slices: WorkSlices;
  readonly eventsMax: number;
  /** The text of one event. */
  readonly eventBytesMax: number;
}

/** One decoded piece of the output. */
export interface PollPiece {
  readonly decoded: DecodedOutput;
  readonly text: string;
}

/** The cost of decoding and submitting an event in addition to its characters. */
const eventWork = 512;
const excerptBytes = 1_024;
/** How many lines that are not events are explained. */
const junkMax = 20;

/** @returns undefined if it printed more than `eventsMax` events; then none counts */
export async function readPollOutput(
  bytes: PrintedBytes,
  options: PollOutputOptions,
): Promise<AsyncIterable<PollPiece> | undefined> {
  const { slices, eventsMax } = options;
  const layout = await layOut(bytes, { slices, eventsMax, junkMax });
  return layout.eventCount > eventsMax ? undefined : new PollReader(bytes, options).pieces(layout);
}

type PollList = Extract<PollDocument, { kind: "list" }>;
type Json = Decoded<JsonValue>;

class PollReader {
  readonly #bytes: PrintedBytes;
  readonly #options: PollOutputOptions;

  constructor(bytes: PrintedBytes, options: PollOutputOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  async *pieces({ documents, junk, junkCount }: PollLayout): AsyncGenerator<PollPiece> {
    for (const document of documents) {
      if (document.kind === "list") yield* this.#listPieces(document);
      else yield await this.#valuePiece(document.range);
    }
    for (const [index, range] of junk.entries()) {
      const lines = index === junk.length - 1 ? junkCount - index : 1;
      yield await this.#junkPiece(range, lines);
    }
  }

  async *#listPieces({ range, entries, checkpoint }: PollList): AsyncGenerator<PollPiece> {
    const moved = checkpoint === undefined ? valid(null) : storable((await this.#json(checkpoint)).json);
    if (moved.kind === "invalid") {
      // Otherwise its events would be stored again at every run.
      const text = this.#textOf(range, excerptBytes);
      yield {
        decoded: rejected(
          `none of its events counts, because its checkpoint is unusable: ${moved.problem}`,
          text,
        ),
        text,
      };
      return;
    }
    let last: PollPiece | undefined;
    for (const [index, entry] of entries.entries()) {
      if (last !== undefined) yield last;
      last = await this.#entryPiece(entry, index);
    }
    if (moved.value === null) {
      if (last !== undefined) yield last;
      return;
    }
    yield* withCheckpoint(last, moved.value);
  }

  async #entryPiece(range: Range, index: number): Promise<PollPiece> {
    const { json, text } = await this.#json(range);
    const { served } = this.#options;
    if (json.kind === "invalid")
      return this.#rejectedPiece(`entry ${index + 1} of its list: ${json.problem}`, text);
    const object = isJsonObject(json.value) ? json.value : { payload: json.value };
    return { decoded: decodeValue(object, served, text), text };
  }

  async #valuePiece(range: Range): Promise<PollPiece> {
    const { json, text } = await this.#json(range);
    if (json.kind === "invalid") return this.#rejectedPiece(json.problem, text);
    if (!isJsonObject(json.value)) return { decoded: rejected("it is not a JSON object", text), text };
    return { decoded: decodeValue(json.value, this.#options.served, text), text };
  }

  /** For text that is not acceptable JSON. */
  async #rejectedPiece(problem: string, text: string): Promise<PollPiece> {
    const isQuick = text.length <= quickLengthMax;
    const checkpoint = isQuick
      ? checkpointBeside(text)
      : await checkpointBesideLong(text, this.#options.slices);
    return { decoded: rejected(problem, text, checkpoint), text };
  }

  async #junkPiece(range: Range, lines: number): Promise<PollPiece> {
    const { json, text } = await this.#json(range);
    const reason = json.kind === "invalid" ? json.problem : "it is not a JSON object";
    return { decoded: rejected(reason, text, undefined, lines), text };
  }

  async #json({ from, to }: Range): Promise<{ readonly json: Json; readonly text: string }> {
    const { slices, eventBytesMax } = this.#options;
    const bytes = to - from;
    const isTooLong = bytes > eventBytesMax;
    const text = this.#textOf({ from, to }, isTooLong ? excerptBytes : bytes);
    const isQuick = text.length <= quickLengthMax;
    const pause = slices.spend(isQuick ? eventWork + text.length : eventWork);
    if (pause !== undefined) await pause;
    if (isTooLong) {
      const problem = `it has ${bytes} bytes, and sensor.line_bytes_max is ${eventBytesMax}`;
      return { json: invalid(problem), text };
    }
    if (!isUtf8(this.#bytes.slice(from, to))) return { json: invalid("it is not UTF-8"), text };
    return { json: isQuick ? decodeJson(text) : await decodeLongJson(text, slices), text };
  }

  #textOf({ from, to }: Range, bytesMax: number): string {
    return this.#bytes
      .slice(from, Math.min(to, from + bytesMax))
      .toString("utf8")
      .trim();
  }
}

/** Whether the database can store it; otherwise it would refuse the last event of the page with it. */
function storable(json: Json): Json {
  if (json.kind === "invalid") return json;
  const text = storableText(json.value);
  return text.kind === "unstorable" ? invalid(text.reason) : json;
}

/** A page's checkpoint counts after all its events: with the last entry, if that is an event. */
function* withCheckpoint(last: PollPiece | undefined, checkpoint: JsonValue): Generator<PollPiece> {
  if (last?.decoded.kind === "event") {
    const { event, remarks } = last.decoded;
    yield { ...last, decoded: { kind: "event", event: { ...event, checkpoint }, remarks } };
    return;
  }
  if (last !== undefined) yield last;
  yield { decoded: { kind: "checkpoint", checkpoint }, text: excerptOf(JSON.stringify(checkpoint)) };
}

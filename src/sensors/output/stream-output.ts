/**
 * What a stream sensor prints, line by line, as events.
 *
 * A line is decoded by itself. JSON that is laid out over several lines is rejected whole, and its author told what
 * to do; no line of it becomes an event, even one that is JSON by itself. See broken-lines.ts for how it is told from
 * half a line.
 */
import type { WorkSlices } from "../../concurrency/work-slices.ts";
import { isJsonObject } from "../../model/json/json.ts";
import { decodeJson } from "../../model/json/json-text.ts";
import type { Line } from "../../processes/lines.ts";
import { opensSprawl, Sprawl, type LineShape } from "./broken-lines.ts";
import { decodeLine, decodeLongLine } from "./decode-output.ts";
import { quickLengthMax } from "./decode-text.ts";
import { rejected, type DecodedOutput, type ServedTriggers } from "./decoded-output.ts";

/** A line and what it turned out to be. */
export interface DecodedLine {
  readonly line: Line;
  readonly decoded: DecodedOutput;
}

const overSeveralLines = "JSON over several lines; print one object a line, for example with jq -c";
const partOfSprawl = "a part of JSON over several lines";

export class StreamOutput {
  readonly #served: ServedTriggers;
  #sprawl: Sprawl | undefined;
  /** An object that is a line, of which the next line will show whether it is a part of something. */
  #undecided: DecodedLine | undefined;

  constructor(served: ServedTriggers) {
    this.#served = served;
  }

  /** Whether the next line can be decoded with `decode`. */
  canDecode(line: Line): boolean {
    return this.#sprawl === undefined && (typeof line !== "string" || line.length <= quickLengthMax);
  }

  /** The way of nearly all lines. */
  decode(line: Line): DecodedOutput {
    const decoded = decodeLine(line, this.#served);
    return decoded.kind === "rejected" ? this.#reject(line, decoded) : decoded;
  }

  /** As `decode`, for any line. It may show what an earlier one was. */
  async decodeAny(line: Line, slices: WorkSlices): Promise<readonly DecodedLine[]> {
    const text = textOf(line).trim();
    if (text === "") return [];
    const isLong = typeof line === "string" && text.length > quickLengthMax;
    const decoded = isLong
      ? await decodeLongLine(text, this.#served, slices)
      : decodeLine(line, this.#served);
    const undecided = this.#undecided;
    this.#undecided = undefined;
    switch (this.#sprawl?.judge(shapeOf(line, decoded)) ?? "outside") {
      case "undecided":
        this.#undecided = { line, decoded };
        return [];
      case "inside":
        return partsOf(undecided?.line, line);
      case "outside": {
        this.#sprawl = undefined;
        const own = { line, decoded: decoded.kind === "rejected" ? this.#reject(line, decoded) : decoded };
        return undecided === undefined ? [own] : [undecided, own];
      }
    }
  }

  /** What is left to say when there is no more. */
  end(): readonly DecodedLine[] {
    return partsOf(this.#undecided?.line);
  }

  #reject(line: Line, decoded: DecodedOutput): DecodedOutput {
    const shape = shapeOf(line, decoded);
    if (!opensSprawl(shape)) return decoded;
    this.#sprawl = new Sprawl(shape);
    return "{[".includes(shape.first) ? rejected(overSeveralLines, textOf(line).trim()) : decoded;
  }
}

function partsOf(...lines: readonly (Line | undefined)[]): readonly DecodedLine[] {
  return lines
    .filter((line) => line !== undefined)
    .map((line) => ({ line, decoded: rejected(partOfSprawl, textOf(line).trim()) }));
}

function textOf(line: Line): string {
  return typeof line === "string" ? line : line.excerpt;
}

function shapeOf(line: Line, decoded: DecodedOutput): LineShape {
  // Where a line that could not be read ends is not known.
  if (typeof line !== "string") return { indent: 0, first: "", last: "", isObject: false };
  const text = line.trim();
  return {
    indent: line.length - line.trimStart().length,
    first: text.charAt(0),
    last: text.charAt(text.length - 1),
    isObject: decoded.kind !== "rejected" || isObject(text),
  };
}

/** For an object that is no event, such as one of a trigger that the sensor does not serve. */
function isObject(text: string): boolean {
  if (!text.startsWith("{") || !text.endsWith("}") || text.length > quickLengthMax) return false;
  const json = decodeJson(text);
  return json.kind === "valid" && isJsonObject(json.value);
}

/**
 * Decodes the output of a stream sensor, line by line.
 *
 * Each line is decoded individually. JSON spread over several lines is rejected as a whole, with advice for its author:
 * no line of it becomes an event, even one that is valid JSON. See broken-lines.ts for how it is distinguished from a
 * line that was cut off.
 */
import type { WorkSlices } from "../../concurrency/work-slices.ts";
import { isJsonObject } from "../../model/json/json.ts";
import { decodeJson } from "../../model/json/json-text.ts";
import type { Line } from "../../processes/lines.ts";
import { opensSprawl, Sprawl, type LineShape } from "./broken-lines.ts";
import { decodeLine, decodeLongLine } from "./decode-output.ts";
import { quickLengthMax } from "./decode-text.ts";
import { rejected, type DecodedOutput, type ServedTriggers } from "./decoded-output.ts";

/** A line and its decoded form. */
export interface DecodedLine {
  readonly line: Line;
  readonly decoded: DecodedOutput;
}

const overSeveralLines = "JSON over several lines; print one object a line, for example with jq -c";
const partOfSprawl = "a part of JSON over several lines";

export class StreamOutput {
  readonly #served: ServedTriggers;
  #sprawl: Sprawl | undefined;
  /** An object on a line of its own, undecided until the next line shows whether it is part of a sprawl. */
  #undecided: DecodedLine | undefined;

  constructor(served: ServedTriggers) {
    this.#served = served;
  }

  /** Whether the next line can be decoded with `decode`. */
  canDecode(line: Line): boolean {
    return this.#sprawl === undefined && (typeof line !== "string" || line.length <= quickLengthMax);
  }

  /** The fast path, for nearly all lines. */
  decode(line: Line): DecodedOutput {
    const decoded = decodeLine(line, this.#served);
    return decoded.kind === "rejected" ? this.#reject(line, decoded) : decoded;
  }

  /** Like `decode`, for any line. It may also decide an earlier one. */
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

  /** The undecided line at the end of the output. */
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
  // The end of a line that could not be read is unknown.
  if (typeof line !== "string") return { indent: 0, first: "", last: "", isObject: false };
  const text = line.trim();
  return {
    indent: line.length - line.trimStart().length,
    first: text.charAt(0),
    last: text.charAt(text.length - 1),
    isObject: decoded.kind !== "rejected" || isObject(text),
  };
}

/** For an object that is not an event, such as one for a trigger that the sensor does not serve. */
function isObject(text: string): boolean {
  if (!text.startsWith("{") || !text.endsWith("}") || text.length > quickLengthMax) return false;
  const json = decodeJson(text);
  return json.kind === "valid" && isJsonObject(json.value);
}

/**
 * Which lines belong to JSON, or something like it, that is laid out over several lines and is not taken.
 *
 * Its parts must not become events: the last element of a list, an empty `{}`. But lines that come after something
 * that was cut off are good again. Nobody can tell the two apart by one line, so this goes by what printers do:
 *
 * - They break a line behind "{", "[" and ",". A line that is not JSON and ends so opens a sprawl.
 * - They indent, or write an element a line with a comma behind all but the last. An object that fills a line, is
 *   not indented further than the opening line, and does not follow a comma or a bracket, lies outside.
 * - If it does follow one, the next line decides: the sprawl's end, or a comma, makes it a part; anything else shows
 *   that what was open before had been cut off.
 * - They end with a closing bracket that is not indented further than the opening line. If the next line neither
 *   begins with a bracket that closes nor with a comma, all brackets are closed.
 */

export interface LineShape {
  /** Blanks at its beginning. */
  readonly indent: number;
  /** Its first and last character that is not blank; both empty for a blank line. */
  readonly first: string;
  readonly last: string;
  /** Whether it is one whole JSON object. */
  readonly isObject: boolean;
}

/** Whether a line that is not JSON begins something that goes on in the next. */
export function opensSprawl({ first, last }: LineShape): boolean {
  return last === "{" || last === "[" || ("{[".includes(first) && ",:".includes(last) && last !== "");
}

export type SprawlVerdict =
  | "inside"
  /** The next line will show. */
  | "undecided"
  /** Neither this line nor one before it that was undecided belongs to it. */
  | "outside";

export class Sprawl {
  readonly #indent: number;
  #last: string;
  #isUndecided = false;
  /** Its last bracket may have been closed. */
  #mayBeOver = false;

  constructor(opening: LineShape) {
    this.#indent = opening.indent;
    this.#last = opening.last;
  }

  judge({ first, last, indent, isObject }: LineShape): SprawlVerdict {
    if (first === "") return "inside";
    if ((this.#isUndecided || this.#mayBeOver) && !"}],".includes(first)) return "outside";

    const isOut = indent <= this.#indent;
    const goesOn = goOn.includes(this.#last);
    this.#last = last;
    this.#isUndecided = isOut && isObject && goesOn;
    this.#mayBeOver = isOut && "}]".includes(first) && !goOn.includes(last);
    if (isOut && isObject) return goesOn ? "undecided" : "outside";
    return "inside";
  }
}

/** Behind these something has to come. */
const goOn = "{[,:";

/**
 * Finds the lines of JSON (or similar text) that is spread over several lines, a "sprawl", which is rejected.
 *
 * Its parts, such as the last element of a list or an empty `{}`, must not become events. But lines after a text that
 * was cut off are valid again. One line alone cannot distinguish the two, so this relies on what printers do:
 *
 * - They break a line after "{", "[" and ",". A line that is not JSON and ends like that opens a sprawl.
 * - They indent, or print one element per line with a comma after all but the last. An object that fills a line, is not
 *   indented further than the opening line, and does not follow a comma or a bracket is outside.
 * - If it does follow one, the next line decides: the sprawl's end or a comma makes the object a part; anything else
 *   shows that the earlier text had been cut off.
 * - They end with a closing bracket that is not indented further than the opening line. If the next line begins with
 *   neither a closing bracket nor a comma, all brackets are closed.
 */

export interface LineShape {
  /** Leading spaces. */
  readonly indent: number;
  /** Its first and last non-space characters; both empty for a blank line. */
  readonly first: string;
  readonly last: string;
  /** Whether it is one complete JSON object. */
  readonly isObject: boolean;
}

/** Whether a line that is not JSON opens a sprawl. */
export function opensSprawl({ first, last }: LineShape): boolean {
  return last === "{" || last === "[" || ("{[".includes(first) && ",:".includes(last) && last !== "");
}

export type SprawlVerdict =
  | "inside"
  /** The next line will decide. */
  | "undecided"
  /** Neither this line nor an undecided one before it is part of a sprawl. */
  | "outside";

export class Sprawl {
  readonly #indent: number;
  #last: string;
  #isUndecided = false;
  /** Its last bracket may be closed. */
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

/** Something must follow these. */
const goOn = "{[,:";

/**
 * Regular expressions that always match in time linear in the text, using re2js, a port of RE2. JavaScript's
 * own engine backtracks, and one rule with `(a+)+$` would block the whole agent.
 *
 * The engine has a prefilter of its own (the literals a text must contain), but it may search for many short ones before
 * the one that is rare. So the longest required literal is looked for first. A compiled pattern takes 3 to 20 kB.
 */
import { RE2JS, RE2JSException } from "re2js";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { requiredLiteral } from "./required-literal.ts";

export interface LinearPattern {
  readonly source: string;
  /** Whether the pattern is found anywhere in the text; `^` and `$` anchor it. */
  test(text: string): boolean;
}

const sourceLengthMax = 1_000;
/** Instructions of the compiled program; the cost of a match per character grows with it. */
const programSizeMax = 5_000;

/** @param source RE2 syntax (https://github.com/google/re2/wiki/Syntax): no backreferences, no lookaround */
export function compileLinearPattern(source: string): Decoded<LinearPattern> {
  if (source.length > sourceLengthMax) return invalid(`is longer than ${sourceLengthMax} characters`);
  try {
    const pattern = RE2JS.compile(source);
    if (pattern.programSize() > programSizeMax) return invalid("repeats too much; make its {n,m} smaller");
    const literal = requiredLiteral(source);
    if (literal === undefined) return valid({ source, test: (text) => pattern.test(text) });
    if (literal === source) return valid({ source, test: (text) => text.includes(literal) });
    return valid({ source, test: (text) => text.includes(literal) && pattern.test(text) });
  } catch (error) {
    if (error instanceof RE2JSException) return invalid(`is not a regular expression: ${reasonOf(error)}`);
    throw error;
  }
}

function reasonOf(error: Error): string {
  return error.message.replace("error parsing regexp: ", "");
}

/**
 * A piece of text that every match of a regular expression contains, found without understanding all of the expression.
 *
 * Looking for it first is much cheaper than running the engine, and most texts that do not match lack it. The search is
 * careful rather than complete: only characters outside groups and classes count, and an expression with flags, counted
 * repetitions, or alternatives outside groups has no such piece.
 */

const lengthMin = 3;
const special = new Set("^$.|?*+()[]{}");
/** Escapes of one letter. Others have arguments, which are not literals. */
const simpleEscapes = new Set("dDsSwWbBAzafnrtv");

/** @param source a valid expression in RE2 syntax; undefined if none is found */
export function requiredLiteral(source: string): string | undefined {
  let longest = "";
  let piece = "";
  let depth = 0;
  for (let at = 0; at < source.length; at += 1) {
    let character = source.charAt(at);
    let isLiteral = false;
    switch (character) {
      case "\\":
        at += 1;
        character = source.charAt(at);
        isLiteral = isPunctuation(character);
        if (!isLiteral && !simpleEscapes.has(character)) return undefined;
        break;
      case "[":
        at = classEnd(source, at);
        break;
      case "(":
        if (source.charAt(at + 1) === "?") return undefined;
        depth += 1;
        break;
      case ")":
        depth -= 1;
        break;
      case "|":
        if (depth === 0) return undefined;
        break;
      case "{":
        return undefined;
      default:
        // ASCII only: beyond it, a repetition may apply to two units of the text.
        isLiteral = character >= " " && character <= "~" && !special.has(character);
    }
    const isRequired = isLiteral && depth === 0 && !"?*".includes(source.charAt(at + 1) || " ");
    piece = isRequired ? piece + character : "";
    if (piece.length > longest.length) longest = piece;
  }
  return longest.length < lengthMin ? undefined : longest;
}

function isPunctuation(character: string): boolean {
  return /^[!-/:-@[-`{-~]$/.test(character);
}

/** The position of the bracket that ends the class beginning here. */
function classEnd(source: string, start: number): number {
  let at = source.charAt(start + 1) === "^" ? start + 2 : start + 1;
  // A closing bracket that comes first is part of the class.
  for (const first = at; at < source.length; at += 1) {
    const character = source.charAt(at);
    if (character === "\\") at += 1;
    else if (source.startsWith("[:", at)) at = Math.max(source.indexOf(":]", at) + 1, at);
    else if (character === "]" && at > first) return at;
  }
  return at;
}

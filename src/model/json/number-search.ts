/**
 * Searches a JSON text for numbers that JavaScript might write differently.
 *
 * Every line of every sensor is searched, so strings are skipped with the engine's fast `indexOf`, and only
 * characters outside of them are examined one by one. The work is linear in the length of the text.
 */

const quote = 0x22;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;
/** Any decimal number of fifteen digits survives a double (IEEE 754), and so do integers below 9 × 10^15. */
const safeLength = 16;
/** With this many zeros after the decimal point, JavaScript writes an exponent. */
const zerosToExponent = "000000";

/**
 * Whether some number has an exponent, a trailing zero or many zeros after the decimal point, more digits
 * than a double holds, or a minus before a zero. Never false if a number would change.
 *
 * @param text valid JSON
 */
export function hasDelicateNumber(text: string): boolean {
  let escapeAt = indexOrEnd(text, "\\", 0);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = indexOrEnd(text, '"', at + 1);
      // If the quote found is part of an escape (\"), the string goes on.
      while (escapeAt < at) {
        if (escapeAt + 1 === at) at = indexOrEnd(text, '"', at + 1);
        escapeAt = indexOrEnd(text, "\\", escapeAt + 2);
      }
    } else if (code === minus || isDigit(code)) {
      const end = endOfSafeNumber(text, at);
      if (end === undefined) return true;
      at = end - 1;
    }
  }
  return false;
}

/** The end of the number that begins at the index; undefined if JavaScript may change the number. */
function endOfSafeNumber(text: string, start: number): number | undefined {
  const begin = text.charCodeAt(start) === minus ? start + 1 : start;
  const first = text.charCodeAt(begin);
  if (begin > start && first === zero) return undefined;
  let pointAt = -1;
  let end = begin;
  for (let code = first; isDigit(code) || code === point; code = text.charCodeAt(end)) {
    if (code === point) pointAt = end;
    end += 1;
  }
  const length = end - begin;
  if (length > safeLength || (length === safeLength && first === nine)) return undefined;
  if (pointAt !== -1 && (text.charCodeAt(end - 1) === zero || text.startsWith(zerosToExponent, pointAt + 1)))
    return undefined;
  return /[eE]/.test(text.charAt(end)) ? undefined : end;
}

function isDigit(code: number): boolean {
  return code >= zero && code <= nine;
}

function indexOrEnd(text: string, searched: string, from: number): number {
  const index = text.indexOf(searched, from);
  return index === -1 ? text.length : index;
}

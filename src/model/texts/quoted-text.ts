/** Text that a stranger chose, where a person reads it: on a terminal, in a line of a log. */

const plain = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u;

/** What moves a terminal's cursor, turns the direction of writing, or ends a line in some programs. */
const steering = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u;
const steeringBesideLayout = /[^\P{Cc}\t\n]|[\p{Zl}\p{Zp}\p{Bidi_C}]/gu;

const blanks = /[\s\u0085]+/g;
const breaking = /[\t-\r\u0085\u2028\u2029]/;

/**
 * The text as it is, if it cannot be mistaken for anything else of the line. Otherwise in quotes, with all that would break the
 * line, move a terminal's cursor or turn the direction of writing as escapes of JSON.
 */
export function quotedText(text: string): string {
  if (plain.test(text) && !text.includes('"')) return text;
  return JSON.stringify(text).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

/** The text with its lines and tabs. What else would steer a terminal is shown as escapes of JSON. */
export function visibleText(text: string): string {
  return text.replaceAll(steeringBesideLayout, escaped);
}

/** The text on one line. What would steer a terminal is shown as escapes of JSON. */
export function onOneLine(text: string): string {
  if (!steering.test(text)) return text;
  // Whole runs, because a pattern like `\s*\n\s*` takes quadratic time on a long run without a line feed.
  return visibleText(text.replaceAll(blanks, (run) => (breaking.test(run) ? " " : run)));
}

/** JSON's escapes are of UTF-16 code units. */
function escaped(character: string): string {
  return character.split("").map(escapeOf).join("");
}

function escapeOf(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

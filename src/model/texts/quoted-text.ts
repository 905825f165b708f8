/** Text that a stranger chose, in a line of a log. */

const plain = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u;

/**
 * The text as it is, if it cannot be mistaken for anything else of the line. Otherwise in quotes, with all that would break the
 * line, move a terminal's cursor or turn the direction of writing as escapes of JSON.
 */
export function quotedText(text: string): string {
  if (plain.test(text) && !text.includes('"')) return text;
  return JSON.stringify(text).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}

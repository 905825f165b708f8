/** Text that a stranger chose, in a line of a log. */

const plain = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u;

/**
 * The text as it is, if it cannot be mistaken for anything else of the line. Otherwise in quotes, with all that would break the
 * line, move a terminal's cursor or turn the direction of writing as escapes of JSON.
 */
export function quotedText(text: string): string {
  if (plain.test(text) && !text.includes('"')) return text;
  return JSON.stringify(text).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character.split("").map(escapeOf).join(""),
  );
}

/** @param unit a UTF-16 code unit: JSON has no other escapes */
function escapeOf(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

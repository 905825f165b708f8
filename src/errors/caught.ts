/**
 * Safe access to caught values: JavaScript may throw anything, and system errors have a code that their type lacks.
 */

/** The message of an error; any other value as text. */
export function messageOf(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}

/** An error unchanged; any other value as an error's message. */
export function errorOf(caught: unknown): Error {
  return caught instanceof Error ? caught : new Error(String(caught));
}

/** The code of an error from Node, PostgreSQL and others, such as "ENOENT" or "23505". */
export function codeOf(caught: unknown): string | undefined {
  return caught instanceof Error && "code" in caught && typeof caught.code === "string"
    ? caught.code
    : undefined;
}

/** Whether it is an error with one of these codes. */
export function hasCode(caught: unknown, ...codes: readonly string[]): boolean {
  const code = codeOf(caught);
  return code !== undefined && codes.includes(code);
}

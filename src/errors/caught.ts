/**
 * What a `catch` caught, read without trusting it: JavaScript may throw anything, and errors of the system carry
 * a code that their type does not show.
 */

/** The message of an error, or what else was thrown as text. */
export function messageOf(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}

/** An error as it is; anything else as the message of one. */
export function errorOf(caught: unknown): Error {
  return caught instanceof Error ? caught : new Error(String(caught));
}

/** The code that Node, PostgreSQL and others put on their errors: "ENOENT", "23505". */
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

/** The end of a sentence about a name that does not exist; empty if no known name is close. */
export function meantText(meant: string | undefined): string {
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

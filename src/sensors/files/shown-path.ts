/** A path in a message for people. */
export function shownPath(path: string): string {
  return path.toWellFormed();
}

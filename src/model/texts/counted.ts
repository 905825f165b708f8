/**
 * A count with its noun: `1 event`, `2 events`.
 *
 * @param noun in the singular, with a regular plural
 */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** What a command prints with `--format json`: one value, for programs and people. */
export function jsonReport(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

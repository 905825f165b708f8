/** What a benchmark says: measured against a floor of the same run, and whether that is enough. */

export interface Finding {
  readonly what: string;
  readonly measured: string;
  readonly floor: string;
  readonly ratio: number;
  /** In words: "at least 0.8 × the floor". */
  readonly required: string;
  readonly isReached: boolean;
}

/** Prints the findings as a table; a requirement that is missed makes the process end with 1. */
export function report(title: string, findings: readonly Finding[]): void {
  const header = ["", "measured", "floor", "ratio", "required", ""];
  const rows = findings.map(({ what, measured, floor, ratio, required, isReached }) => [
    what,
    measured,
    floor,
    ratio.toFixed(2),
    required,
    isReached ? "reached" : "MISSED",
  ]);
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  process.stdout.write(`\n${title}\n`);
  for (const row of [header, ...rows]) {
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()}\n`,
    );
  }
  if (findings.some(({ isReached }) => !isReached)) process.exitCode = 1;
}

/** The value below which the given part of the values lies; NaN of none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

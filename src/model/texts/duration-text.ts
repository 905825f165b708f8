const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
] as const;

/** A duration for people, in the largest unit that gives at least 2: "90 s", "4 h". */
export function durationText(seconds: number): string {
  const [unit, unitSeconds] = units.find(([, length]) => seconds >= 2 * length) ?? ["s", 1];
  return `${Math.max(0, Math.round(seconds / unitSeconds))} ${unit}`;
}

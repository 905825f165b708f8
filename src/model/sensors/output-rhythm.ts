/**
 * How regularly a sensor prints, in four numbers, and whether its current silence is unusual.
 *
 * What is usual differs by sensor and by hour: some print a hundred lines at once and then nothing for a minute. So a
 * silence is compared with the longest one before, not with the average interval, which bursts make tiny. The longest
 * silence decays, so that a single quiet night is forgotten after some days.
 */
export interface OutputRhythm {
  readonly lastAtMs: number;
  /** Number of intervals observed. */
  readonly intervals: number;
  /** A moving average, for people. */
  readonly usualMs: number;
  readonly longestMs: number;
}

const averagedOver = 16;
const halfLifeMs = 24 * 3_600_000;
/** With fewer, it is unknown what is usual. */
const intervalsMin = 10;
const unusualFactor = 10;
const unusualSecondsMin = 300;

/** @param before undefined for the first output */
export function withOutput(before: OutputRhythm | undefined, atMs: number): OutputRhythm {
  if (before === undefined) return { lastAtMs: atMs, intervals: 0, usualMs: 0, longestMs: 0 };
  const intervalMs = Math.max(0, atMs - before.lastAtMs);
  const intervals = before.intervals + 1;
  return {
    lastAtMs: atMs,
    intervals,
    usualMs: before.usualMs + (intervalMs - before.usualMs) / Math.min(intervals, averagedOver),
    longestMs: Math.max(intervalMs, before.longestMs * 2 ** (-intervalMs / halfLifeMs)),
  };
}

export function isRhythmKnown({ intervals }: OutputRhythm): boolean {
  return intervals >= intervalsMin;
}

export function isUnusualSilence(silenceSeconds: number, longestSilenceSeconds: number): boolean {
  return silenceSeconds > Math.max(unusualSecondsMin, unusualFactor * longestSilenceSeconds);
}

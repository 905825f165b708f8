import fc from "fast-check";
import { expect, test } from "vitest";
import {
  isRhythmKnown,
  isUnusualSilence,
  withOutput,
  type OutputRhythm,
} from "../../../src/model/sensors/output-rhythm.ts";

function after(intervalsMs: readonly number[]): OutputRhythm {
  let atMs = 0;
  let rhythm = withOutput(undefined, atMs);
  for (const intervalMs of intervalsMs) rhythm = withOutput(rhythm, (atMs += intervalMs));
  return rhythm;
}

const times = (count: number, ...intervalsMs: number[]): number[] =>
  Array.from({ length: count }, () => intervalsMs).flat();

test("three hours without output are unusual for a sensor that prints every two seconds", () => {
  const rhythm = after(times(100, 2_000));

  expect(isRhythmKnown(rhythm)).toBe(true);
  expect(rhythm.usualMs).toBeCloseTo(2_000);
  expect(isUnusualSilence(3 * 3_600, rhythm.longestMs / 1_000)).toBe(true);
  expect(isUnusualSilence(299, rhythm.longestMs / 1_000)).toBe(false);
});

test("bursts with long pauses between them are not taken for silence", () => {
  const rhythm = after(times(20, ...times(100, 1), 600_000));

  expect(isUnusualSilence(3_600, rhythm.longestMs / 1_000)).toBe(false);
  expect(isUnusualSilence(6_100, rhythm.longestMs / 1_000)).toBe(true);
});

test("a quiet night is remembered the next night, and forgotten after a week without one", () => {
  const night = 8 * 3_600_000;
  const day = times(16 * 360, 10_000);
  expect(isUnusualSilence(night / 1_000, after([...day, night, ...day]).longestMs / 1_000)).toBe(false);
  const week = times(8 * 24 * 60, 60_000);
  expect(isUnusualSilence(night / 1_000, after([...day, night, ...week]).longestMs / 1_000)).toBe(true);
});

test("whatever the intervals, a silence no longer than one a moment ago is usual", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100_000_000), { minLength: 1, maxLength: 50 }), (intervalsMs) => {
      const { longestMs } = after(intervalsMs);
      expect(isUnusualSilence((intervalsMs.at(-1) ?? 0) / 1_000, longestMs / 1_000)).toBe(false);
    }),
  );
});

test("a few outputs do not establish a rhythm", () => {
  expect(isRhythmKnown(after(times(9, 1_000)))).toBe(false);
});

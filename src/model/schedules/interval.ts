import type { NextTime } from "./schedule.ts";

/** Slots at the anchor and every interval after it. */
export function everyInterval(intervalMs: number, anchorMs: number): NextTime {
  return (afterMs) => anchorMs + Math.max(0, Math.floor((afterMs - anchorMs) / intervalMs) + 1) * intervalMs;
}

import type { Finding } from "./report.ts";

/** Of a number with a limit of its own; the limit is in the place of the floor. */
export function atMost(what: string, measured: number, limit: number, unit: string): Finding {
  return {
    what,
    measured: `${measured.toPrecision(3)} ${unit}`,
    floor: `${Number(limit.toPrecision(3))} ${unit}`,
    ratio: measured / limit,
    required: "at most the limit",
    isReached: measured <= limit,
  };
}

/** Of a number that is compared with another one of the same run. */
export function atLeast(what: string, measured: number, floor: number, share: number, unit: string): Finding {
  return {
    what,
    measured: `${measured.toPrecision(3)} ${unit}`,
    floor: `${floor.toPrecision(3)} ${unit}`,
    ratio: measured / floor,
    required: share === 0 ? "for information" : `at least ${share} × the floor`,
    isReached: measured >= share * floor,
  };
}

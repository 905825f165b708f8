/** Conditions on the counts of a back-test, such as `hits>100`, for a gate before a rule is released. */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { nearestName } from "../texts/nearest-name.ts";

export interface Gate {
  readonly text: string;
  readonly count: GateCount;
  readonly comparison: Comparison;
  readonly limit: number;
}

const gateCounts = [
  "events",
  "hits",
  "live_hits",
  "caught",
  "missed",
  "changed",
  "too_long",
  "bucket_hits_max",
] as const;
export type GateCount = (typeof gateCounts)[number];

const comparisons = {
  ">=": (value: number, limit: number) => value >= limit,
  "<=": (value: number, limit: number) => value <= limit,
  "!=": (value: number, limit: number) => value !== limit,
  ">": (value: number, limit: number) => value > limit,
  "<": (value: number, limit: number) => value < limit,
  "=": (value: number, limit: number) => value === limit,
} as const;
type Comparison = keyof typeof comparisons;

export function readGate(text: string): Decoded<Gate> {
  const [, name = "", sign = "", number = ""] =
    /^\s*(\w+)\s*(>=|<=|!=|==?|>|<)\s*(\d{1,15})\s*$/.exec(text) ?? [];
  const comparison = sign === "==" ? "=" : sign;
  if (!isComparison(comparison)) return invalid(`write a count, a comparison and a number, like hits>100`);
  const count = gateCounts.find((each) => each === name);
  if (count !== undefined) return valid({ text, count, comparison, limit: Number(number) });
  const meant = nearestName(name, gateCounts);
  const hint = meant === undefined ? `one of ${gateCounts.join(", ")}` : `did you mean ${meant}?`;
  return invalid(`${name} is not a count; ${hint}`);
}

function isComparison(sign: string): sign is Comparison {
  return Object.hasOwn(comparisons, sign);
}

/** Whether the counts fulfil it, so that the gate is closed. */
export function isGateClosed(
  { count, comparison, limit }: Gate,
  counts: Readonly<Record<GateCount, number>>,
): boolean {
  return comparisons[comparison](counts[count], limit);
}

/** Instants in the past as people give them to commands: RFC 3339, or how long ago, such as `90s`, `30m`, `24h`, `7d`. */
import { instantText } from "./instants.ts";

const unitsMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** @returns undefined if the text is neither */
export function pastInstant(text: string, nowMs: number): Date | undefined {
  const [, amount, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined)
    return new Date(Math.max(nowMs - Number(amount) * (unitsMs[unit] ?? 0), 0));
  const instant = instantText(text);
  return instant === undefined ? undefined : new Date(instant);
}

/** Numbers, durations and instants as text for people. */

export function rateText(rate: number): string {
  if (rate === 0) return "0";
  if (rate < 0.1) return "<0.1";
  return rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
}

export function countText(count: number): string {
  return count.toLocaleString("en");
}

/** "1 timer", "2 timers" */
export function countOf(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
] as const;

export function durationText(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`;
  for (const [index, [unit, length]] of units.entries()) {
    if (seconds < length) continue;
    const rest = units[index + 1];
    const more = rest === undefined ? 0 : Math.floor((seconds % length) / rest[1]);
    return `${Math.floor(seconds / length)} ${unit}${more === 0 || rest === undefined ? "" : ` ${more} ${rest[0]}`}`;
  }
  return `${Math.floor(seconds)} s`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** In the viewer's zone; with the date if it is not today. */
export function localText(instant: Date, now: Date): string {
  return instant.toDateString() === now.toDateString()
    ? clock.format(instant)
    : `${day.format(instant)}, ${clock.format(instant)}`;
}

export function fullText(instant: Date): string {
  return full.format(instant);
}

export function utcText(instant: Date): string {
  return `${instant.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

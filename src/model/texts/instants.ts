/**
 * Normalises timestamps in RFC 3339 and common variants of it.
 *
 * Also accepted: an offset without a colon or minutes (`+0000`, `+01`, as from strftime's `%z` and many loggers),
 * a space instead of `T` or before the offset, lower-case `t` and `z`. Rejected: dates and times of day that do not
 * exist, and times without an offset, since their zone is unknown.
 */

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]| ?([+-])(\d\d)(?::?(\d\d))?)$/;

const minuteMs = 60_000;
/** PostgreSQL counts years from 1, and RFC 3339 writes four digits. */
const earliestMs = Date.parse("0001-01-01T00:00:00Z");
const latestMs = Date.parse("9999-12-31T23:59:59.999Z");

/**
 * The same instant in UTC, like `2026-01-31T12:00:00.000Z`, with as many fractional digits as were written, but at
 * least three and at most PostgreSQL's six. A leap second becomes the next second, as in PostgreSQL and POSIX time.
 *
 * @returns undefined if the text is not an instant
 */
export function instantText(text: string): string | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, year = "", month = "", day = "", hour = "", minute = "", second = "", fraction = ""] = match;
  const [sign, offsetHours = "0", offsetMinutes = "0"] = match.slice(8);
  const offset = Number(offsetHours) * 60 + Number(offsetMinutes);
  if (Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;

  const dayMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  // Date.parse reads 30 February as 2 March.
  if (Number.isNaN(dayMs) || new Date(dayMs).getUTCDate() !== Number(day)) return undefined;

  const localMinutes = Number(hour) * 60 + Number(minute);
  const atMinuteMs = dayMs + (localMinutes - (sign === "-" ? -offset : offset)) * minuteMs;
  if (second === "60" && !isLastMinuteOfMonth(atMinuteMs)) return undefined;
  const atMs = atMinuteMs + Number(second) * 1_000;
  if (atMs < earliestMs || atMs > latestMs) return undefined;
  const digits = fraction.slice(0, 6).padEnd(3, "0");
  return `${new Date(atMs).toISOString().slice(0, -4)}${digits}Z`;
}

/** Leap seconds are inserted at the end of a month, in UTC. */
function isLastMinuteOfMonth(atMs: number): boolean {
  const next = new Date(atMs + minuteMs);
  return next.getUTCDate() === 1 && next.getUTCHours() === 0 && next.getUTCMinutes() === 0;
}

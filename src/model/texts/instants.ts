/**
 * Times as programs write them, RFC 3339 and its near relatives, as one kind of text.
 *
 * Also understood: an offset without a colon or minutes (`+0000`, `+01`: strftime's `%z`, many loggers), a space
 * instead of `T` and before the offset, lower-case `t` and `z`. A date or a time of day that does not exist is no
 * instant, and neither is a time without an offset: nobody can tell which zone it means.
 */

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]| ?([+-])(\d\d)(?::?(\d\d))?)$/;

const minuteMs = 60_000;
/** PostgreSQL counts years from 1, and RFC 3339 writes four digits. */
const earliestMs = Date.parse("0001-01-01T00:00:00Z");
const latestMs = Date.parse("9999-12-31T23:59:59.999Z");

/**
 * The same instant in UTC, `2026-01-31T12:00:00.000Z`, with as many digits of a second as were written, from three
 * to PostgreSQL's six. A leap second becomes the second after it, as in PostgreSQL and in POSIX time.
 *
 * @returns undefined for a text that is no instant
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
  // Date.parse takes 30 February for 2 March.
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

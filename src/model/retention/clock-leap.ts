/**
 * Whether the database's clock may have leapt ahead: rows then look older than they are, and what is dropped for its age is lost.
 *
 *   trusted ──leapt ahead──▶ doubted ──set back, or `doubtMs` passed──▶ trusted
 *
 * A clock that is right again was set back, and one that stays ahead for long was behind before. Time in which this machine slept
 * is no leap: `upMs` counts it. The first look compares with this machine's own clock, since a leap may be why the agent was
 * started again.
 */

/** What clocks show at one moment. */
export interface ClockLook {
  readonly databaseMs: number;
  /** This machine's wall clock. */
  readonly ownMs: number;
  /** How long this machine has been up, with the time that it slept. */
  readonly upMs: number;
}

export interface ClockTrust {
  readonly last: ClockLook;
  /** By how much the database's clock seems to be ahead. */
  readonly aheadMs: number;
  /** In time since this machine started; null: trusted. */
  readonly doubtedUntilMs: number | null;
}

/** Slow answers, and corrections that move no limit. */
const ignoredMs = 60_000;
const leapMs = 3_600_000;
const doubtMs = 86_400_000;

export function lookAtClock(before: ClockTrust | undefined, look: ClockLook): ClockTrust {
  const moved =
    before === undefined
      ? look.databaseMs - look.ownMs
      : look.databaseMs - before.last.databaseMs - (look.upMs - before.last.upMs);
  const jumpMs = Math.abs(moved) > ignoredMs ? moved : 0;
  const aheadMs = Math.max((before?.aheadMs ?? 0) + jumpMs, 0);
  const isAhead = aheadMs >= leapMs;
  const doubtedUntilMs = !isAhead
    ? null
    : jumpMs > 0
      ? look.upMs + doubtMs
      : (before?.doubtedUntilMs ?? null);
  if (doubtedUntilMs !== null && look.upMs >= doubtedUntilMs)
    return { last: look, aheadMs: 0, doubtedUntilMs: null };
  return { last: look, aheadMs, doubtedUntilMs };
}

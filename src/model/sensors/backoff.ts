export interface BackoffLimits {
  readonly delayMsFirst: number;
  readonly delayMsMax: number;
}

/**
 * Milliseconds to wait after the n-th consecutive failure (n from 1). The delay doubles up to the ceiling,
 * then is reduced by a random amount of up to a quarter, so that clients that failed together do not
 * retry together.
 *
 * @param random a number in [0, 1), passed in so that the decision stays a pure function
 */
export function backoffDelayMs(failures: number, limits: BackoffLimits, random: number): number {
  // Past 2^30 every product is above any sensible ceiling; the cap keeps the power finite.
  const doublings = Math.min(Math.max(failures, 1) - 1, 30);
  const delayMs = Math.min(limits.delayMsFirst * 2 ** doublings, limits.delayMsMax);
  return delayMs * (1 - random / 4);
}

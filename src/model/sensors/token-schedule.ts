/**
 * When a sensor's token is replaced, and when a program that still uses the old one is restarted:
 *
 *     minted ──▶ replaced ──at least 30 s──▶ last look ──at least 30 s──▶ expires
 *
 * Existing clients decide the numbers. Some look at the state file every few seconds and need the next token at least
 * 60 s before the old one expires. Others look once an hour and fetch a new one themselves after 80 % of the lifetime: with
 * a long lifetime they have done so by the last look, with one below about 5 hours they may not.
 */

/** Milliseconds since the epoch, both. */
export interface TokenLife {
  readonly mintedAtMs: number;
  readonly expiresAtMs: number;
}

const replacedBeforeExpiryMsMin = 60_000;
const lastLookBeforeExpiryMsMin = 30_000;
const lastLookBeforeExpiryMsMax = 15 * 60_000;

/** The next token is in the state file from this instant on. */
export function replacedAtMs({ mintedAtMs, expiresAtMs }: TokenLife): number {
  const lifeMs = expiresAtMs - mintedAtMs;
  return Math.max(mintedAtMs, expiresAtMs - Math.max(replacedBeforeExpiryMsMin, 0.2 * lifeMs));
}

/** A program that has shown no newer token by this instant is restarted. */
export function lastLookAtMs(life: TokenLife): number {
  const lifeMs = life.expiresAtMs - life.mintedAtMs;
  const marginMs = Math.min(Math.max(lastLookBeforeExpiryMsMin, 0.01 * lifeMs), lastLookBeforeExpiryMsMax);
  return Math.max(replacedAtMs(life), life.expiresAtMs - marginMs);
}

/**
 * Compares the versions that interpreters report. Not all are semantic versions (`3.8`, `1.8.0.292`), so each
 * is first reduced or extended to three numbers.
 */
import { coerce, satisfies, validRange } from "semver";

/**
 * Whether `version` is `minimum` or newer.
 *
 * @returns undefined if either is not a version, so that the caller must decide what that means
 */
export function isAtLeast(version: string, minimum: string): boolean | undefined {
  const [actual, least] = [coerce(version), coerce(minimum)];
  if (actual === null || least === null) return undefined;
  return actual.compare(least) >= 0;
}

/**
 * Whether a runtime's version satisfies a sensor's `runtime_version_constraint`, in npm's range
 * syntax (`>=3.9 <3.13`, `^20`, `3.x`); older packs of the platform put commas between the parts. No version
 * satisfies a constraint that is not a range.
 */
export function satisfiesVersion(version: string, constraint: string): boolean {
  const actual = coerce(version);
  return actual !== null && satisfies(actual, spaced(constraint));
}

/** Whether the constraint is a valid range of versions. */
export function isVersionRange(constraint: string): boolean {
  return validRange(spaced(constraint)) !== null;
}

function spaced(constraint: string): string {
  return constraint.replaceAll(",", " ");
}

/**
 * Comparing the versions that interpreters report. They are not all semantic versions (`3.8`,
 * `1.8.0.292`), so each is first brought to three numbers; a fourth is ignored.
 */
import { coerce, satisfies, validRange } from "semver";

/**
 * Whether `version` is `minimum` or newer.
 *
 * @returns undefined when either names no version, so that the caller has to say what that means
 */
export function isAtLeast(version: string, minimum: string): boolean | undefined {
  const [actual, least] = [coerce(version), coerce(minimum)];
  if (actual === null || least === null) return undefined;
  return actual.compare(least) >= 0;
}

/**
 * Whether a runtime's version satisfies a sensor's `runtime_version_constraint`, in npm's range
 * syntax (`>=3.9 <3.13`, `^20`, `3.x`); older packs of the platform put commas between the parts. A
 * constraint that is not a range is satisfied by nothing.
 */
export function satisfiesVersion(version: string, constraint: string): boolean {
  const actual = coerce(version);
  return actual !== null && satisfies(actual, spaced(constraint));
}

/** Whether that is a range of versions at all. */
export function isVersionRange(constraint: string): boolean {
  return validRange(spaced(constraint)) !== null;
}

function spaced(constraint: string): string {
  return constraint.replaceAll(",", " ");
}

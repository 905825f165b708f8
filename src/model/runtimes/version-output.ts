/**
 * The version in what an interpreter says about itself.
 *
 * Programs say it in their own words, so the first number with a dot is taken, wherever it stands:
 * `Python 3.11.2`, `v20.1.0`, `go version go1.22.3 linux/amd64`, `openjdk version "17.0.2" 2022-01-18`,
 * `This is perl 5, version 36, subversion 0 (v5.36.0)`. What follows the digits (`p20`, `_292`,
 * `-rc1`) is left out: versions are only ever compared by their numbers.
 *
 * Kept apart from versions.ts so that detection at start does not load what compares versions.
 */

/** Versions stand in the first lines; what comes later is banners, and may be long. */
const headLength = 4096;

/** @returns the version, or null when the output names none */
export function versionInOutput(output: string): string | null {
  return /(?<![\d.])\d{1,6}(?:\.\d{1,6}){1,3}/.exec(output.slice(0, headLength))?.[0] ?? null;
}

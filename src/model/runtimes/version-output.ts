/**
 * Extracts the version from what an interpreter prints about itself.
 *
 * Formats differ, so the first number with a dot is taken, wherever it is: `Python 3.11.2`, `v20.1.0`,
 * `go version go1.22.3 linux/amd64`, `openjdk version "17.0.2" 2022-01-18`,
 * `This is perl 5, version 36, subversion 0 (v5.36.0)`. Suffixes (`p20`, `_292`, `-rc1`) are dropped, because
 * versions are compared by their numbers only.
 *
 * Separate from versions.ts so that detection at start does not load the comparison library.
 */

/** The version is in the first lines; the rest is banners, which may be long. */
const headLength = 4096;

/** @returns the version, or null if the output contains none */
export function versionInOutput(output: string): string | null {
  return /(?<![\d.])\d{1,6}(?:\.\d{1,6}){1,3}/.exec(output.slice(0, headLength))?.[0] ?? null;
}

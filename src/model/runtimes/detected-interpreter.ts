/** An interpreter found on this machine's PATH. */
export interface DetectedInterpreter {
  /** Canonical name; see runtime-names.ts. */
  readonly name: string;
  /** Absolute, as found: links are not resolved, since a link's name may matter to what it starts. */
  readonly path: string;
  /** Null when it did not say. */
  readonly version: string | null;
}

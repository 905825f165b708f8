/** An interpreter found on this machine's PATH. */
export interface DetectedInterpreter {
  /** Canonical name; see runtime-names.ts. */
  readonly name: string;
  /** Absolute path as found. Links are not resolved, because some programs depend on the name they are run as. */
  readonly path: string;
  /** Null when it reported none. */
  readonly version: string | null;
}

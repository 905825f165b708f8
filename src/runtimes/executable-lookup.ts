/**
 * Finds an executable as a shell would, without a shell or `which`, since an image may have neither.
 */
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { isSea } from "node:sea";

/** Where a lookup searches, and what it must never find. */
export interface ExecutableLookup {
  /** The value of PATH; if undefined, nothing is found by name. */
  readonly path: string | undefined;
  /** The agent's own executable, which contains Node but is not an interpreter for sensors; null in development. */
  readonly ownExecutable: string | null;
}

/** The agent's single-file executable; null in development, where the running Node is an ordinary interpreter. */
export function ownExecutable(): string | null {
  return isSea() ? process.execPath : null;
}

/**
 * The first executable regular file of that name on PATH, or the binary itself if it is an absolute path.
 *
 * Relative directories in PATH are skipped, because they depend on the current directory and sensors run in
 * another one.
 */
export function findExecutable(binary: string, lookup: ExecutableLookup): string | undefined {
  if (isAbsolute(binary)) return isRunnable(binary, lookup) ? binary : undefined;
  // A relative path has no defined base.
  if (binary === "" || binary.includes("/")) return undefined;
  return (
    (lookup.path ?? "")
      .split(":")
      .filter((directory) => isAbsolute(directory))
      // Not `join`, which costs more than the check.
      .map((directory) => `${directory}${directory.endsWith("/") ? "" : "/"}${binary}`)
      .find((path) => isRunnable(path, lookup))
  );
}

function isRunnable(path: string, { ownExecutable: own }: ExecutableLookup): boolean {
  try {
    // stat follows links, so that a hard or symbolic link to the agent is recognised. Most files do not exist,
    // and an exception for each would cost more than everything else.
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined || !found.isFile()) return false;
    accessSync(path, constants.X_OK);
    if (own === null) return true;
    const agent = statSync(own, { bigint: true });
    return found.dev !== agent.dev || found.ino !== agent.ino;
  } catch {
    // An inaccessible directory or a loop of links, for example.
    return false;
  }
}

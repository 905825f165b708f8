/**
 * Finding an executable the way a shell would, without a shell and without `which`: an image may have
 * neither.
 */
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { isSea } from "node:sea";

/** What a lookup must never find, and where it looks. */
export interface ExecutableLookup {
  /** The value of PATH; undefined: nothing is found by name. */
  readonly path: string | undefined;
  /** The agent's own executable, which is Node but no interpreter for sensors; null when it is not one. */
  readonly ownExecutable: string | null;
}

/** The agent's executable when it is a single file; in development the running Node is an interpreter like any other. */
export function ownExecutable(): string | null {
  return isSea() ? process.execPath : null;
}

/**
 * The first executable regular file of that name on PATH, or the binary itself when it is an absolute path.
 *
 * Relative directories in PATH are passed over: what they hold changes with the current directory, and
 * sensors run in another one.
 */
export function findExecutable(binary: string, lookup: ExecutableLookup): string | undefined {
  if (isAbsolute(binary)) return isRunnable(binary, lookup) ? binary : undefined;
  // A name with a slash is a path relative to nothing in particular.
  if (binary === "" || binary.includes("/")) return undefined;
  return (
    (lookup.path ?? "")
      .split(":")
      .filter((directory) => isAbsolute(directory))
      // Not `join`: it costs more than the look.
      .map((directory) => `${directory}${directory.endsWith("/") ? "" : "/"}${binary}`)
      .find((path) => isRunnable(path, lookup))
  );
}

function isRunnable(path: string, { ownExecutable: own }: ExecutableLookup): boolean {
  try {
    // The stat follows links, so a link to the agent, hard or symbolic, is seen as the agent. Most are absent,
    // and an error for each would cost more than all else.
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined || !found.isFile()) return false;
    accessSync(path, constants.X_OK);
    if (own === null) return true;
    const agent = statSync(own, { bigint: true });
    return found.dev !== agent.dev || found.ino !== agent.ino;
  } catch {
    // A directory we may not enter, a loop of links: it cannot be run.
    return false;
  }
}

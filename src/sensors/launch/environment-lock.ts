/**
 * The lock on an environment that is being made: the folder `{env_dir}.lock`. While it exists nobody uses
 * the environment, since a virtual environment cannot be made elsewhere and moved into place: it names
 * its own path inside.
 *
 * The environments may lie on a volume that several machines share, so neither process ids nor clocks can
 * be compared. A maker renews the time of its lock; whoever waits watches that time by its own clock, and
 * takes a lock over whose time stands still. Of several that do, one wins: `mkdir` of a folder inside,
 * named by the time that all of them saw, succeeds once.
 */
import { constants } from "node:fs";
import { access, mkdir, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { makeDirectory } from "../../files/make-directory.ts";
import type { Clock } from "../../time/clock.ts";

const renewalMs = 5_000;
const deadAfterMs = 30_000;
const lookMs = 250;

export type LockOutcome =
  | {
      readonly kind: "taken";
      readonly lock: AsyncDisposable;
      /** Its maker died: what is in the environment is half made. */
      readonly isInherited: boolean;
    }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "given-up" };

/** Exists while the environment is being made. */
export function lockOf(folder: string): string {
  return `${folder}.lock`;
}

/** Waits for as long as another maker is alive. @param signal gives up waiting */
export async function lockEnvironment(
  folder: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<LockOutcome> {
  const path = lockOf(folder);
  try {
    await makeDirectory(dirname(folder));
    await access(dirname(folder), constants.W_OK);
    let seenMs: number | undefined;
    let seenSinceMs = clock.monotonicMs();
    while (!signal.aborted) {
      if (await isMade(path)) return taken(path, false);
      const renewedMs = await renewedAtMs(path);
      if (renewedMs !== seenMs) {
        seenMs = renewedMs;
        seenSinceMs = clock.monotonicMs();
      } else if (clock.monotonicMs() - seenSinceMs > deadAfterMs) {
        if (await isMade(join(path, `heir-${seenMs}`))) return taken(path, true);
        seenSinceMs = clock.monotonicMs();
      }
      await clock.sleep(lookMs, signal);
    }
    return { kind: "given-up" };
  } catch (error) {
    return { kind: "refused", reason: messageOf(error) };
  }
}

/** False: there is one already, or what it was to be made in has vanished with its lock. */
async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST", "ENOENT")) {
      return false;
    }
    throw error;
  }
}

async function renewedAtMs(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

function taken(path: string, isInherited: boolean): LockOutcome {
  const renewal = setInterval(() => {
    const now = new Date();
    // Should the volume fail, the command that writes there says so.
    utimes(path, now, now).catch(() => {});
  }, renewalMs);
  renewal.unref();
  const lock = {
    async [Symbol.asyncDispose]() {
      clearInterval(renewal);
      await rm(path, { recursive: true, force: true });
    },
  };
  return { kind: "taken", lock, isInherited };
}

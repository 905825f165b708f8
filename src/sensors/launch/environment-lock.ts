/**
 * The lock on an environment that is being created: the folder `{env_dir}.lock`. While it exists, no sensor uses the
 * environment. A virtual environment cannot be created elsewhere and moved into place, because it contains its own path.
 *
 * The environments may be on a volume that several machines share, so neither process ids nor clocks can be compared.
 * The holder keeps updating the modification time of its lock. A waiting process watches that time by its own clock and
 * takes the lock over if the time stops changing. If several do so, one wins: `mkdir` of a folder inside, named after
 * the time that all of them saw, succeeds only once.
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
      /** Its holder died, so the environment is incomplete. */
      readonly isInherited: boolean;
    }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "given-up" };

/** Exists while the environment is being created. */
export function lockOf(folder: string): string {
  return `${folder}.lock`;
}

/** Waits as long as another holder is alive. @param signal ends the wait */
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

/** @returns false if it exists already, or its parent has vanished with the lock */
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
    // If the volume fails, the command that writes there reports it.
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

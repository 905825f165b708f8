/**
 * What to do when a sensor has ended without being asked to.
 *
 * - A stream sensor runs for ever; so every end is unexpected, one with code 0 included. A run that
 *   lasted `stableAfterMs` forgives the failures before it.
 * - A poll sensor's run fails if it does not end with code 0 in time. A run that succeeded forgives.
 *
 * Delays double from the first to the ceiling. After `restartsMax` restarts in a row that failed too,
 * the sensor has failed: from then on it is tried only at the ceiling.
 *
 * A pure function of the exit and the history, so that whoever supervises holds no arithmetic and this
 * file no timers.
 */
import { backoffDelayMs } from "./backoff.ts";

export type Exit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: NodeJS.Signals }
  /** Killed because a poll run exceeded its time limit. */
  | { readonly kind: "timed-out"; readonly timeoutMs: number }
  /** Killed because a poll run printed more than it may. */
  | { readonly kind: "overflowed"; readonly bytesMax: number }
  /** Its output counts for nothing, since a poll run may have no more events than that. */
  | { readonly kind: "too-many-events"; readonly eventsMax: number }
  /** Ended because it closed its output and went on running: it could never say anything again. */
  | { readonly kind: "closed-output" }
  /** There was no process: the reason is a sentence for the operator. */
  | { readonly kind: "unstarted"; readonly reason: string };

export interface EndedRun {
  readonly exit: Exit;
  readonly uptimeMs: number;
  /** Whether a poll run succeeded since the last failure; always false for a stream sensor. */
  readonly hadSuccess: boolean;
}

export interface RestartLimits {
  readonly isRestartEnabled: boolean;
  readonly delayMsFirst: number;
  readonly delayMsMax: number;
  readonly restartsMax: number;
  readonly stableAfterMs: number;
}

export type Verdict =
  | { readonly kind: "restart"; readonly failures: number; readonly delayMs: number }
  | {
      readonly kind: "failed";
      readonly failures: number;
      /** Null: never by itself. */
      readonly delayMs: number | null;
      /** It was not failed before: to be announced. */
      readonly isNew: boolean;
    };

/**
 * @param failures in a row before this one
 * @param random a number in [0, 1)
 */
export function judgeExit(run: EndedRun, failures: number, limits: RestartLimits, random: number): Verdict {
  const isForgiven = run.hadSuccess || run.uptimeMs >= limits.stableAfterMs;
  const failuresNow = isForgiven ? 1 : failures + 1;
  if (!limits.isRestartEnabled) return { kind: "failed", failures: failuresNow, delayMs: null, isNew: true };

  if (failuresNow > limits.restartsMax) {
    const delayMs = backoffDelayMs(Number.MAX_SAFE_INTEGER, limits, random);
    return { kind: "failed", failures: failuresNow, delayMs, isNew: failuresNow === limits.restartsMax + 1 };
  }
  return { kind: "restart", failures: failuresNow, delayMs: backoffDelayMs(failuresNow, limits, random) };
}

/** How it ended, for people. */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case "exited":
      return exit.code === 0 ? "it ended by itself with code 0" : `it ended with code ${exit.code}`;
    case "signalled":
      return `it was ended by ${exit.signal}`;
    case "timed-out":
      return `it ran longer than its time limit of ${exit.timeoutMs / 1_000} s and was killed`;
    case "overflowed":
      return `one run printed more than ${exit.bytesMax} bytes and was killed`;
    case "too-many-events":
      return `one run printed more than ${exit.eventsMax} events (sensor.poll_events_max), and none was taken`;
    case "closed-output":
      return "it closed its output but went on running, and was ended";
    case "unstarted":
      return exit.reason;
  }
}

/**
 * What to do when a sensor ends without being asked to.
 *
 * - A stream or standalone sensor is meant to run for ever, so every end is unexpected, even with code 0. A run of at
 *   least `stableAfterMs` resets the failure count.
 * - A poll sensor's run fails if it does not succeed in time. A successful run resets the failure count.
 *
 * Delays double up to the ceiling. After `restartsMax` consecutive restarts that also failed, the sensor
 * counts as failed and is retried only at the ceiling.
 *
 * This is a pure function of the exit and the history, so the supervisor contains no arithmetic and this
 * file no timers.
 */
import { backoffDelayMs } from "./backoff.ts";

export type Exit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: NodeJS.Signals }
  /** Killed because a poll run exceeded its time limit. */
  | { readonly kind: "timed-out"; readonly timeoutMs: number }
  /** Killed because a poll run printed more than allowed. */
  | { readonly kind: "overflowed"; readonly bytesMax: number }
  /** A poll run printed more events than allowed, so all its output was discarded. */
  | { readonly kind: "too-many-events"; readonly eventsMax: number }
  /** Stopped because it closed its output but kept running, and so could not report anything any more. */
  | { readonly kind: "closed-output" }
  /** Stopped because it no longer heard of rule changes; `how` continues "it no longer hears of rule changes: ". */
  | { readonly kind: "deaf"; readonly how: string }
  /** The process could not be started; the reason is a sentence for the operator. */
  | { readonly kind: "unstarted"; readonly reason: string };

export interface EndedRun {
  readonly exit: Exit;
  readonly uptimeMs: number;
  /** Whether a poll run succeeded since the last failure; always false for a long-running one. */
  readonly hadSuccess: boolean;
  /** The agent ended the run, to begin another at once: no failure. For the operator, continuing "restarted: ". */
  readonly plannedFor?: string;
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
      /** Null if it is never restarted automatically. */
      readonly delayMs: number | null;
      /** True for the failure that should be announced. */
      readonly isNew: boolean;
    };

/**
 * @param failures consecutive failures before this one
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

/** How the run ended, for people. */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case "exited":
      return exit.code === 0 ? "it exited on its own with code 0" : `it exited with code ${exit.code}`;
    case "signalled":
      return `it was killed by ${exit.signal}`;
    case "timed-out":
      return `it ran longer than its time limit of ${exit.timeoutMs / 1_000} s and was killed`;
    case "overflowed":
      return `one run printed more than ${exit.bytesMax} bytes and was killed`;
    case "too-many-events":
      return `one run printed more than ${exit.eventsMax} events (sensor.poll_events_max), so all were discarded`;
    case "closed-output":
      return "it closed its output but kept running, and was stopped";
    case "deaf":
      return `it no longer hears of rule changes, and was stopped: ${exit.how}`;
    case "unstarted":
      return exit.reason;
  }
}

/**
 * A reconciliation loop: it runs a step at once, after each wake, and after `intervalMs` without one.
 *
 * Truth is in what the step reads; a wake is only a hint to look sooner. So wakes coalesce: any number of
 * wakes during a step cause exactly one further step. A step that fails is reported and retried after
 * `retryDelayMs`, so only its signal ends the loop. At most one step runs at a time.
 */
import type { Clock } from "../time/clock.ts";

/** The interval of a loop that is woken for everything it has to do: a step of its own would find nothing. */
export const wokenIntervalMs = 600_000;

export interface WakeableLoopOptions {
  readonly step: (signal: AbortSignal) => Promise<void>;
  /** A function is asked after each step. */
  readonly intervalMs: number | (() => number);
  /** Milliseconds to wait after the n-th consecutive failure, n from 1. */
  readonly retryDelayMs: (failures: number) => number;
  /** Called after each step that fails. */
  readonly onFailure: (error: unknown) => void;
  /** Called after the first step that succeeds again. */
  readonly onRecovery?: () => void;
  readonly clock: Clock;
}

export class WakeableLoop {
  readonly #options: WakeableLoopOptions;
  #isWoken = false;
  #interruptWait: (() => void) | undefined;

  constructor(options: WakeableLoopOptions) {
    this.#options = options;
  }

  /** Requests a step as soon as the current one, if any, has ended. Does not interrupt a retry delay. */
  wake(): void {
    this.#isWoken = true;
    this.#interruptWait?.();
  }

  /** Runs until the signal aborts, then resolves once the current step has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { step, intervalMs, retryDelayMs, onFailure, onRecovery, clock } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      this.#isWoken = false;
      try {
        await step(signal);
        if (failures > 0) onRecovery?.();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        onFailure(error);
        await clock.sleep(retryDelayMs(failures), signal);
        continue;
      }
      if (this.#isWoken) continue;
      await this.#waitForWake(typeof intervalMs === "number" ? intervalMs : intervalMs(), signal);
    }
  }

  async #waitForWake(ms: number, signal: AbortSignal): Promise<void> {
    const wait = new AbortController();
    // An explicit reason avoids creating an exception with a stack trace at each wake.
    this.#interruptWait = () => wait.abort("woken");
    await this.#options.clock.sleep(ms, AbortSignal.any([signal, wait.signal]));
    this.#interruptWait = undefined;
  }
}

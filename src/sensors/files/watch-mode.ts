/**
 * Whether the kernel reports the changes of a tree or polling finds them, and when everything is looked at again in either
 * case.
 */
import type { Polling } from "../../model/files/file-plan.ts";
import type { Clock } from "../../time/clock.ts";

export type RescanReason = "periodic" | "burst" | "polling";

/** Why a folder is polled although its rule does not ask for it. */
export type PollingCause = "remote" | "limit";

/** A rescan takes at most this share of the time. */
const rescanShare = 1 / 20;
const pollingShare = 1 / 5;

export class WatchMode {
  readonly #polling: Polling;
  readonly #clock: Clock;
  #isPolling: boolean;
  #isWatchable = true;
  #cause: PollingCause | undefined;
  #rescanAtMs = Number.POSITIVE_INFINITY;

  constructor(polling: Polling, clock: Clock) {
    this.#polling = polling;
    this.#clock = clock;
    this.#isPolling = polling.isForced;
  }

  get isPolling(): boolean {
    return this.#isPolling;
  }

  /** Whether the kernel can be asked to report changes. */
  get isWatchable(): boolean {
    return this.#isWatchable;
  }

  /** Undefined: the kernel reports changes, or a rule asks for polling. */
  get cause(): PollingCause | undefined {
    return this.#polling.isForced ? undefined : this.#cause;
  }

  /** For a folder that came or was replaced. Its first look is not a rescan. */
  begin({ isRemote }: { readonly isRemote: boolean }): void {
    // Watching is a system call on the main thread, which must not wait for another machine.
    this.#isWatchable = !isRemote;
    this.#isPolling = this.#polling.isForced || isRemote;
    this.#cause = isRemote ? "remote" : undefined;
  }

  /** The kernel cannot watch any more folders. */
  noteLimit(): void {
    this.#isWatchable = false;
    this.#isPolling = true;
    this.#cause = "limit";
    this.planRescan(0);
  }

  /** @param tookMs how long the last one took */
  planRescan(tookMs: number): void {
    const { rescanMs, pollMs } = this.#polling;
    const [intervalMs, share] = this.#isPolling ? [pollMs, pollingShare] : [rescanMs, rescanShare];
    this.#rescanAtMs = this.#clock.monotonicMs() + Math.max(intervalMs, tookMs / share);
  }

  /** There is no folder to look at. */
  cancelRescan(): void {
    this.#rescanAtMs = Number.POSITIVE_INFINITY;
  }

  /** Until the next rescan; infinite if none is planned. */
  get leftMs(): number {
    return this.#rescanAtMs - this.#clock.monotonicMs();
  }

  /** Undefined: no rescan is due. */
  dueRescan(): RescanReason | undefined {
    if (this.leftMs > 0) return undefined;
    return this.#isPolling ? "polling" : "periodic";
  }
}

/**
 * Notices times in which the timers did not run: the process hung or was suspended, or the clock was set forward over them.
 * It compares the wall clock with the monotonic clock, each time the timers look at the clock.
 */
import type { Absence } from "../../model/timers/slot-decision.ts";
import type { Clock } from "../../time/clock.ts";

/** What clocks may differ by without having been set. */
const jumpMs = 1_000;
/** What a sleep may be late by without a suspension. */
const hangMs = 5_000;
const absencesMax = 20;

export class ClockWatch {
  readonly #clock: Clock;
  #wallMs: number;
  #monotonicMs: number;
  #absences: Absence[];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wallMs = clock.nowMs();
    this.#monotonicMs = clock.monotonicMs();
    this.#absences = [{ fromMs: Number.NEGATIVE_INFINITY, untilMs: this.#wallMs, reason: "down" }];
  }

  /** In order, the newest of them. */
  get absences(): readonly Absence[] {
    return this.#absences;
  }

  /**
   * Looks at the clock.
   *
   * @param sleptMs how long the caller meant to sleep since the last look; undefined: it has worked
   * @returns by how many milliseconds the clock was set, if it was
   */
  look(sleptMs?: number): number | undefined {
    const wallMs = this.#clock.nowMs();
    const monotonicMs = this.#clock.monotonicMs();
    const fromMs = this.#wallMs;
    const passedMs = monotonicMs - this.#monotonicMs;
    const setByMs = wallMs - fromMs - passedMs;
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    const wasSet = Math.abs(setByMs) > jumpMs;
    if (setByMs > jumpMs) this.#add({ fromMs, untilMs: wallMs, reason: "clock" });
    else if (!wasSet && sleptMs !== undefined && passedMs > sleptMs + hangMs) {
      this.#add({ fromMs, untilMs: wallMs, reason: "down" });
    }
    return wasSet ? setByMs : undefined;
  }

  #add(absence: Absence): void {
    this.#absences = [...this.#absences, absence].slice(-absencesMax);
  }
}

/**
 * Writes how far timers are: at most once a second, the changed ones together, so that fast timers do not cost a statement
 * per fire. Of many it writes some at a time, those first that have waited longest, and a timer that fires again meanwhile
 * waits no longer for it. What is not written when the agent dies is decided again by its successor, which finds the events.
 */
import { wokenIntervalMs, type WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { Database } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { writeTimers, type WrittenCursor, type WrittenSlots } from "../../database/statements/timers.ts";
import type { Id } from "../../model/identifiers.ts";
import type { AssignmentTerm } from "../../model/sensors/incoming-event.ts";
import type { RecordEntry } from "../../model/timers/timer-record.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { reportedLoop } from "../../telemetry/reported-loop.ts";
import type { Clock } from "../../time/clock.ts";
import type { Timer } from "./timer.ts";

export interface TimerProgressOptions {
  readonly database: Database;
  readonly sensorId: Id;
  readonly term: AssignmentTerm;
  /** Another worker runs the timers now. */
  readonly onFenced: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

const pauseMs = 1_000;
/** Writing takes at most a fiftieth of the time: of ten thousand fast timers each is written about twice a minute. */
const pauseFactor = 50;
/** Making the text of a statement must not make the timers late that become due meanwhile. */
const timersPerStatement = 100;
const retry = { delayMsFirst: 500, delayMsMax: 10_000 };

export class TimerProgress {
  readonly #options: TimerProgressOptions;
  readonly #loop: WakeableLoop;
  readonly #changed = new Set<Timer>();

  constructor(options: TimerProgressOptions) {
    const { clock } = options;
    this.#options = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not write the progress of timers; trying again",
          ends: "the progress of timers is written again",
        },
        step: async (signal) => {
          while (this.#changed.size > 0 && !signal.aborted) {
            const isRest = this.#changed.size <= timersPerStatement;
            const beganMs = clock.monotonicMs();
            await this.#writeSome();
            const restMs = pauseFactor * (clock.monotonicMs() - beganMs);
            await clock.sleep(isRest ? Math.max(pauseMs, restMs) : restMs, signal);
          }
        },
        intervalMs: wokenIntervalMs,
        retry,
      },
      options,
    );
  }

  note(timer: Timer): void {
    if (this.#changed.size === 0) this.#loop.wake();
    this.#changed.add(timer);
  }

  /** Whether everything about it is written. */
  isWritten(timer: Timer): boolean {
    return !this.#changed.has(timer);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** Writes everything, once the loop has ended. */
  async flush(): Promise<void> {
    while (this.#changed.size > 0) await this.#writeSome();
  }

  /** What cannot be written stays noted. */
  async #writeSome(): Promise<void> {
    const { database, sensorId, term, onFenced } = this.#options;
    const taken: { readonly timer: Timer; readonly entries: readonly RecordEntry[] }[] = [];
    const cursors: WrittenCursor[] = [];
    const entries: WrittenSlots[] = [];
    for (const timer of this.#changed) {
      if (taken.length === timersPerStatement) break;
      this.#changed.delete(timer);
      const own = timer.takeUnwritten();
      taken.push({ timer, entries: own });
      cursors.push(timer.cursor());
      for (const entry of own) entries.push({ ...entry, rule: timer.id });
    }
    try {
      // A crash of the database that loses a commit is like one of the agent.
      const isHeld = await rowOf(database.relaxed, writeTimers, { sensorId, term, cursors, entries });
      if (isHeld !== true) onFenced();
    } catch (error) {
      for (const { timer, entries: own } of taken) {
        timer.putBack(own);
        this.#changed.add(timer);
      }
      throw error;
    }
  }
}

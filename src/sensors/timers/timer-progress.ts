/**
 * Writes how far timers are: the changed ones together, about once a second, so that fast timers do not cost a statement per
 * fire. What is not written when the agent dies is decided again by its successor, which finds the events.
 */
import type { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import type { Database } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { writeTimers } from "../../database/statements/timers.ts";
import type { Id } from "../../model/identifiers.ts";
import type { AssignmentTerm } from "../../model/sensors/incoming-event.ts";
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

const idleMs = 60_000;
const pauseMs = 1_000;
/** A write takes at most a twentieth of the time. */
const pauseFactor = 20;
/** Making the text of a statement must not make the timers late that become due meanwhile: this many take about a millisecond. */
const timersPerStatement = 500;
const retry = { delayMsFirst: 500, delayMsMax: 10_000 };

export class TimerProgress {
  readonly #options: TimerProgressOptions;
  readonly #loop: WakeableLoop;
  readonly #changed = new Set<Timer>();
  #writing: Promise<void> = Promise.resolve();

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
          const beganMs = clock.monotonicMs();
          await this.flush();
          const tookMs = clock.monotonicMs() - beganMs;
          await clock.sleep(Math.max(pauseMs, pauseFactor * tookMs), signal);
        },
        intervalMs: idleMs,
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

  /** Writes all changes noted before; what cannot be written stays noted. */
  async flush(): Promise<void> {
    const before = this.#writing;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing = promise;
    try {
      await before;
      const timers = [...this.#changed];
      for (let index = 0; index < timers.length; index += timersPerStatement) {
        await this.#write(timers.slice(index, index + timersPerStatement));
      }
    } finally {
      resolve();
    }
  }

  async #write(timers: readonly Timer[]): Promise<void> {
    const { database, sensorId, term, onFenced } = this.#options;
    const taken = timers.map((timer) => ({ timer, entries: timer.takeUnwritten() }));
    const cursors = timers.map((timer) => ({ ...timer.cursor(), rule: timer.id }));
    const entries = taken.flatMap(({ timer, entries: own }) =>
      own.map((entry) => ({ ...entry, rule: timer.id })),
    );
    for (const timer of timers) this.#changed.delete(timer);
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

/**
 * The timers of the sensor's enabled rules, as they were last read.
 *
 * A predecessor that was killed may have fired slots of a rule without writing so. So before a timer is known here, its events
 * are looked for: at the beginning for all of them, and later for rules that are enabled only then.
 */
import type { Database } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import { findDuplicateRanges } from "../../database/statements/stored-batches.ts";
import { readTimers, type TimerRow } from "../../database/statements/timers.ts";
import type { Id } from "../../model/identifiers.ts";
import type { Clock } from "../../time/clock.ts";
import { Timer, type DecodeTimer } from "./timer.ts";

export interface TimerRulesOptions {
  readonly database: Database;
  readonly sensorId: Id;
  readonly sensorRef: string;
  readonly decode: DecodeTimer;
  readonly clock: Clock;
  /** Whether everything about the timer is in the rows. */
  readonly isWritten: (timer: Timer) => boolean;
  /** Its params have become a schedule, or are none. */
  readonly onProblemChanged: (timer: Timer) => void;
  /** Its rule is disabled or gone. */
  readonly onEnded: (timer: Timer) => void;
}

/** Rules for which events of a predecessor are looked for at once. */
const soughtTimers = 1_000;

export class TimerRules {
  readonly #options: TimerRulesOptions;
  readonly #timers = new Map<Id, Timer>();

  constructor(options: TimerRulesOptions) {
    this.#options = options;
  }

  timers(): Iterable<Timer> {
    return this.#timers.values();
  }

  /**
   * Reads the rules. If that fails, everything stays as it was.
   *
   * @returns the timers that are new or may have changed
   */
  async read(): Promise<readonly Timer[]> {
    const { database, sensorId, decode, clock, isWritten } = this.#options;
    for (const [id, timer] of this.#timers) {
      // Its rows are read if it comes back; so they must be complete before.
      if (!timer.isActive && !timer.hasPending && isWritten(timer)) this.#timers.delete(id);
    }
    const rows = await rowsOf(database, readTimers, sensorId);
    const nowMs = clock.nowMs();
    const added = rows.filter(({ id }) => !this.#timers.has(id)).map((row) => new Timer(row, decode, nowMs));
    await this.#findFired(added);
    return [...this.#changed(rows), ...this.#added(added)];
  }

  /** Also ends the timers without a row. */
  #changed(rows: readonly TimerRow[]): readonly Timer[] {
    const { decode, clock, onProblemChanged, onEnded } = this.#options;
    const nowMs = clock.nowMs();
    const present = new Set<Id>();
    const changed: Timer[] = [];
    for (const row of rows) {
      present.add(row.id);
      const known = this.#timers.get(row.id);
      if (known === undefined || (known.isActive && !known.differsFrom(row))) continue;
      const formerProblem = known.problem;
      known.change(row, decode, nowMs);
      if (known.problem !== formerProblem) onProblemChanged(known);
      changed.push(known);
    }
    for (const [id, timer] of this.#timers) {
      if (present.has(id) || !timer.isActive) continue;
      timer.isActive = false;
      onEnded(timer);
    }
    return changed;
  }

  #added(timers: readonly Timer[]): readonly Timer[] {
    for (const timer of timers) {
      this.#timers.set(timer.id, timer);
      if (timer.problem !== null) this.#options.onProblemChanged(timer);
    }
    return timers;
  }

  async #findFired(timers: readonly Timer[]): Promise<void> {
    const { database, sensorRef } = this.#options;
    for (let from = 0; from < timers.length; from += soughtTimers) {
      const some = timers.slice(from, from + soughtTimers);
      const ranges = some.map((timer, n) => ({
        n,
        trigger_ref: timer.triggerRef,
        source_ref: sensorRef,
        after_key: timer.dedupKey(timer.state.settledUntilMs),
        // Times have thirteen digits, so that keys have the order of their slots.
        before_key: timer.dedupKey(9_999_999_999_999),
      }));
      for (const { n, id, dedupKey } of await rowsOf(database, findDuplicateRanges, { ranges })) {
        some[n]?.noteFired(Number(dedupKey.slice(dedupKey.lastIndexOf(":") + 1)), id);
      }
    }
  }
}

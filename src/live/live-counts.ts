/**
 * What this agent did since the last report, and the events and enforcements of each of the last seconds.
 *
 * The sums are always kept, at the cost of a few additions a batch. Events are looked at one by one only while somebody
 * watches.
 */
import type { Activity, ActivityEntry } from "../telemetry/activity.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "../time/clock.ts";
import { EventSample } from "./event-sample.ts";
import { addCount, historyStepSeconds, type LiveReport } from "./live-report.ts";

const historySeconds = 300;

interface Second {
  events: number;
  enforcements: number;
}

export class LiveCounts {
  readonly #instance: string;
  readonly #activity: Activity;
  readonly #clock: Clock;
  readonly #seconds = new Map<number, Second>();
  #sums = noSums();
  #watching: Disposable | undefined;

  constructor(instance: string, activity: Activity, clock: Clock) {
    this.#instance = instance;
    this.#activity = activity;
    this.#clock = clock;
  }

  /** The same metrics, counted here too. */
  counting(metrics: Metrics): Metrics {
    return {
      ...metrics,
      eventsStored: (triggerRef, count) => {
        metrics.eventsStored(triggerRef, count);
        this.#recent.events += count;
        if (this.#watching !== undefined) addCount(this.#sums.triggers, triggerRef, count);
      },
      sensorEvents: (sensorRef, count) => {
        metrics.sensorEvents(sensorRef, count);
        if (this.#watching !== undefined) addCount(this.#sums.sensors, sensorRef, count);
      },
      rulesMatched: (ruleRef, count) => {
        metrics.rulesMatched(ruleRef, count);
        if (this.#watching !== undefined) addCount(this.#sums.rules, ruleRef, count);
      },
      enforcementsCreated: (count) => {
        metrics.enforcementsCreated(count);
        this.#recent.enforcements += count;
      },
    };
  }

  /** Counts everything from now on; the seconds before are in the history of the next report. */
  begin(): void {
    this.#watching ??= this.#activity.subscribe((entry) => this.#note(entry));
  }

  end(): void {
    this.#watching?.[Symbol.dispose]();
    this.#watching = undefined;
    this.#settle();
  }

  /** Since the last report. What is in its sums is not in its history. */
  take({ withHistory }: { readonly withHistory: boolean }): LiveReport {
    const history = withHistory ? this.#history() : [];
    const { sample, ...sums } = this.#settle();
    return {
      instance: this.#instance,
      ...sums,
      entries: sample.entries(),
      changed: [...sums.changed],
      history,
    };
  }

  /** Where the next event counts: in the next report, and only then in its second. */
  get #recent(): Second {
    return this.#watching === undefined ? this.#second() : this.#sums;
  }

  #settle(): Sums {
    const sums = this.#sums;
    const second = this.#second();
    second.events += sums.events;
    second.enforcements += sums.enforcements;
    this.#sums = noSums();
    return sums;
  }

  #note(entry: ActivityEntry): void {
    if (entry.kind === "sensor") this.#sums.changed.add(entry.sensorRef);
    if (entry.kind !== "event") return;
    const { eventId: id, triggerRef, sensorRef, payload } = entry;
    this.#sums.sample.note({ id, atMs: this.#clock.nowMs(), triggerRef, sensorRef, payload });
  }

  #second(): Second {
    const number = Math.floor(this.#clock.nowMs() / 1_000);
    const known = this.#seconds.get(number);
    if (known !== undefined) return known;
    const second = { events: 0, enforcements: 0 };
    this.#seconds.set(number, second);
    for (const old of this.#seconds.keys()) {
      // A clock that was set back leaves seconds from the future.
      if (old > number - historySeconds && old <= number) continue;
      this.#seconds.delete(old);
    }
    return second;
  }

  #history(): (readonly [number, number])[] {
    const now = Math.floor(this.#clock.nowMs() / 1_000);
    const sums = Array.from(
      { length: historySeconds / historyStepSeconds },
      () => [0, 0] as [number, number],
    );
    for (const [number, { events, enforcements }] of this.#seconds) {
      const sum = sums.at(-1 - Math.floor((now - number) / historyStepSeconds));
      if (sum === undefined || number > now) continue;
      sum[0] += events;
      sum[1] += enforcements;
    }
    return sums;
  }
}

type Sums = ReturnType<typeof noSums>;

function noSums() {
  return {
    events: 0,
    enforcements: 0,
    sensors: new Map<string, number>(),
    triggers: new Map<string, number>(),
    rules: new Map<string, number>(),
    sample: new EventSample(),
    changed: new Set<string>(),
  };
}

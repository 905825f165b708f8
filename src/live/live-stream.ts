/**
 * The frames that viewers of the page receive. They are made once a second from the reports of all agents and are the
 * same for all viewers, so a hundred viewers cost as much as one.
 *
 *     snapshot   the last five minutes; for a viewer that is new or has missed too much
 *     tick       one second
 *
 * A viewer that reads too slowly gets no frames until its connection has drained, and then a snapshot. So a slow reader
 * costs no memory.
 */
import type { Clock } from "../time/clock.ts";
import {
  addCount,
  busiest,
  historyStepSeconds,
  type Counts,
  type LiveEntry,
  type LiveReport,
} from "./live-report.ts";

/** One open page. */
export interface Viewer {
  /** @returns how many bytes its connection has not taken yet */
  readonly send: (frame: Buffer) => number;
  /** How many bytes its connection has not taken yet. */
  readonly waitingBytes: () => number;
}

export interface FleetNumbers {
  readonly activeWorkers: number;
  readonly outboxMessages: number;
  readonly outboxAgeSeconds: number;
}

export interface LiveStreamOptions {
  /** Begins the ids of frames; another process has another one. */
  readonly instance: string;
  readonly onWatched: (isWatched: boolean) => void;
  /** Undefined while the database does not answer; never rejects. */
  readonly fleet: () => Promise<FleetNumbers | undefined>;
  readonly clock: Clock;
}

const secondsMax = 300;
const keptMax = 60;
const waitingBytesMax = 262_144;
const entriesMax = 40;
/** Of each kind; a frame is at most some 100 kB, however many sensors, triggers and rules there are. */
const refsMax = 500;
const fleetEverySeconds = 3;

interface Second {
  readonly events: number;
  readonly enforcements: number;
}

interface Following {
  readonly viewer: Viewer;
  isLeftBehind: boolean;
}

export class LiveStream {
  readonly #options: LiveStreamOptions;
  readonly #viewers = new Set<Following>();
  /** The oldest first; those before the first tick are what the agents did before they reported. */
  #seconds: readonly Second[] = [];
  #reports: LiveReport[] = [];
  /** What each instance has reported without its past, and true once its past is counted. */
  readonly #counted = new Map<string, Second | true>();
  #isPastNew = false;
  #kept: readonly { readonly number: number; readonly frame: Buffer }[] = [];
  #number = 0;
  #fleet: object | null = null;

  constructor(options: LiveStreamOptions) {
    this.#options = options;
  }

  /**
   * @param lastId the id of the last frame that it got from an agent
   * @returns takes the viewer out
   */
  open(viewer: Viewer, lastId: string | undefined): Disposable {
    const following = { viewer, isLeftBehind: false };
    this.#viewers.add(following);
    if (this.#viewers.size === 1) this.#begin();
    const missed = this.#missedSince(lastId);
    if (missed === undefined) viewer.send(this.#snapshot());
    else for (const frame of missed) viewer.send(frame);
    return {
      [Symbol.dispose]: () => {
        this.#viewers.delete(following);
        if (this.#viewers.size === 0) this.#options.onWatched(false);
      },
    };
  }

  /** Adds what one agent did to the next tick. */
  note(report: LiveReport): void {
    this.#reports.push(report);
    const { instance, events, enforcements, history } = report;
    const counted = this.#counted.get(instance) ?? { events: 0, enforcements: 0 };
    // An agent may be asked for its history again, by viewers elsewhere.
    if (counted === true) return;
    if (history.length > 0) {
      this.#counted.set(instance, true);
      this.#addPast(history, counted);
    } else {
      this.#counted.set(instance, {
        events: counted.events + events,
        enforcements: counted.enforcements + enforcements,
      });
    }
  }

  /** Sends the next tick. */
  tick(): void {
    // Only a snapshot holds the past.
    if (this.#isPastNew) for (const following of this.#viewers) following.isLeftBehind = true;
    this.#isPastNew = false;
    this.#number += 1;
    if (this.#number % fleetEverySeconds === 1) void this.#readFleet();
    const reports = this.#reports;
    this.#reports = [];
    const events = sum(reports, (report) => report.events);
    const enforcements = sum(reports, (report) => report.enforcements);
    const frame = this.#frame("tick", {
      at: new Date(this.#options.clock.nowMs()).toISOString(),
      events,
      enforcements,
      sensors: merged(reports, (report) => report.sensors),
      triggers: merged(reports, (report) => report.triggers),
      rules: merged(reports, (report) => report.rules),
      entries: reports
        .flatMap((report) => report.entries)
        .toSorted((one, other) => one.atMs - other.atMs)
        .slice(-entriesMax)
        .map(entryAnswer),
      changed: [...new Set(reports.flatMap((report) => report.changed))].slice(0, refsMax),
      workers: new Set(reports.map((report) => report.instance)).size,
      fleet: this.#fleet,
    });
    this.#seconds = [...this.#seconds, { events, enforcements }].slice(-secondsMax);
    this.#kept = [...this.#kept, { number: this.#number, frame }].slice(-keptMax);
    this.#send(frame);
  }

  /** To every viewer that keeps up; a snapshot to one that has caught up. */
  #send(frame: Buffer): void {
    let snapshot: Buffer | undefined;
    for (const following of this.#viewers) {
      const { viewer, isLeftBehind } = following;
      if (isLeftBehind && viewer.waitingBytes() > 0) continue;
      const waiting = viewer.send(isLeftBehind ? (snapshot ??= this.#snapshot()) : frame);
      following.isLeftBehind = waiting > waitingBytesMax;
    }
  }

  #begin(): void {
    this.#counted.clear();
    this.#seconds = [];
    this.#reports = [];
    this.#kept = [];
    void this.#readFleet();
    this.#options.onWatched(true);
  }

  async #readFleet(): Promise<void> {
    const facts = await this.#options.fleet();
    if (facts === undefined) return;
    const { activeWorkers, outboxMessages, outboxAgeSeconds } = facts;
    this.#fleet = {
      workers: activeWorkers,
      outbox_messages: outboxMessages,
      outbox_age_seconds: outboxAgeSeconds,
    };
  }

  /** @param counted is in the history, too, and in the seconds already */
  #addPast(history: LiveReport["history"], counted: Second): void {
    const events = withoutNewest(
      history.map(([each]) => each),
      counted.events,
    );
    const enforcements = withoutNewest(
      history.map(([, each]) => each),
      counted.enforcements,
    );
    const length = Math.max(history.length * historyStepSeconds, this.#seconds.length);
    // Both end with the last second.
    this.#seconds = Array.from({ length }, (_, index) => {
      const step = history.length - 1 - Math.floor((length - 1 - index) / historyStepSeconds);
      const known = this.#seconds[index - length + this.#seconds.length];
      return {
        events: (known?.events ?? 0) + (events[step] ?? 0) / historyStepSeconds,
        enforcements: (known?.enforcements ?? 0) + (enforcements[step] ?? 0) / historyStepSeconds,
      };
    });
    this.#isPastNew = true;
  }

  /** Undefined: it needs a snapshot. */
  #missedSince(lastId: string | undefined): readonly Buffer[] | undefined {
    const [, instance, text = ""] = /^(.+)\.(\d{1,15})$/.exec(lastId ?? "") ?? [];
    const number = Number(text);
    const [oldest] = this.#kept;
    if (instance !== this.#options.instance || oldest === undefined) return undefined;
    if (number < oldest.number - 1 || number > this.#number) return undefined;
    return this.#kept.filter((each) => each.number > number).map(({ frame }) => frame);
  }

  #snapshot(): Buffer {
    return this.#frame("snapshot", {
      at: new Date(this.#options.clock.nowMs()).toISOString(),
      events: this.#seconds.map(({ events }) => events),
      enforcements: this.#seconds.map(({ enforcements }) => enforcements),
      fleet: this.#fleet,
    });
  }

  #frame(kind: "snapshot" | "tick", body: object): Buffer {
    const id = `${this.#options.instance}.${this.#number}`;
    return Buffer.from(`id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(body)}\n\n`);
  }
}

/** Steps, the oldest first, less a count that is in the newest ones. */
function withoutNewest(steps: readonly number[], count: number): readonly number[] {
  let left = count;
  return steps
    .toReversed()
    .map((step) => {
      const taken = Math.min(step, left);
      left -= taken;
      return step - taken;
    })
    .toReversed();
}

function sum(reports: readonly LiveReport[], of: (report: LiveReport) => number): number {
  return reports.reduce((all, report) => all + of(report), 0);
}

function merged(reports: readonly LiveReport[], of: (report: LiveReport) => Counts): object {
  const all = new Map<string, number>();
  for (const [ref, count] of reports.flatMap((report) => [...of(report)])) addCount(all, ref, count);
  return Object.fromEntries(all.size > refsMax ? busiest(all).slice(0, refsMax) : all);
}

function entryAnswer({ id, atMs, triggerRef, sensorRef, excerpt }: LiveEntry): object {
  return {
    id: Number.isSafeInteger(Number(id)) ? Number(id) : id,
    at: new Date(atMs).toISOString(),
    trigger_ref: triggerRef,
    sensor_ref: sensorRef,
    excerpt,
  };
}

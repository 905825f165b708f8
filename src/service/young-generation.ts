/**
 * How large V8's young generation may become. V8 collects it by copying what is still in use, and an event is in use from
 * the moment it is read until its messages are confirmed. A small one costs little memory and makes short pauses, but under
 * full load most of what is in it is in use at each collection: copying took a third of the processor time of an event. A
 * large one is collected when most of it is garbage.
 *
 *   small ──sensors had to wait for room at two looks in a row──▶ large ──at sixty looks in a row none had──▶ small
 *
 * While sensors wait, an event's time is spent in queues, so that longer pauses do not count and throughput does. A look is
 * taken every half second from the first wait on; while nothing waits, nothing runs.
 *
 * V8 decides when it grows, by what survives, and the factor says how far. Small is 4 MiB, the least that the flags at the
 * start allow (build/packing/heap-flags.ts); large is 16 MiB, the most that they allow. V8 makes it smaller again in a full
 * collection while little is allocated. docs/decisions/0020-small-young-generation.md has the measurements.
 */
import { setFlagsFromString } from "node:v8";
import { Changes } from "../concurrency/changes.ts";
import type { Clock } from "../time/clock.ts";

export type YoungSize = "small" | "large";

export interface Pressure {
  readonly size: YoungSize;
  /** Looks in a row that spoke for the other size. */
  readonly looks: number;
}

export const noPressure: Pressure = { size: "small", looks: 0 };

const lookMs = 500;
const looksUntil = { large: 2, small: 60 } as const;

/** @param hasWaited whether a sensor had to wait for room since the last look */
export function pressureAfter({ size, looks }: Pressure, hasWaited: boolean): Pressure {
  const other = size === "small" ? "large" : "small";
  if (hasWaited !== (other === "large")) return { size, looks: 0 };
  return looks + 1 < looksUntil[other] ? { size, looks: looks + 1 } : { size: other, looks: 0 };
}

export class YoungGeneration {
  readonly #clock: Clock;
  readonly #changes = new Changes();
  #pressure = noPressure;
  #hasWaited = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How large it may become. */
  get size(): YoungSize {
    return this.#pressure.size;
  }

  /** A sensor has to wait until this process has room for its event. Called for each such event. */
  noteWaiting(): void {
    if (this.#hasWaited) return;
    this.#hasWaited = true;
    this.#changes.note();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#changes.note(), { once: true });
    while (!signal.aborted) await this.#look(signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { size, looks } = this.#pressure;
    if (size === "small" && looks === 0) await this.#nextWait(signal);
    await this.#clock.sleep(lookMs, signal);
    this.#pressure = pressureAfter(this.#pressure, this.#hasWaited);
    this.#hasWaited = false;
    allowYoung(this.size);
  }

  async #nextWait(signal: AbortSignal): Promise<void> {
    while (!this.#hasWaited && !signal.aborted) await this.#changes.next();
  }
}

/**
 * From now on V8 keeps the size that it has, or may make it larger. Not by a flag at the start: there V8 takes a factor of 1
 * for one of 2. In a process that was started without the flags, V8 goes on deciding for itself: it begins at 1 MiB, which
 * would be too small to be kept.
 */
export function allowYoung(size: YoungSize): void {
  if (!process.execArgv.some((flag) => flag.startsWith("--min-semi-space-size="))) return;
  setFlagsFromString(`--semi-space-growth-factor=${size === "small" ? 1 : 4}`);
}

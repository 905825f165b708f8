/**
 * How large V8's young generation may become. V8 collects it by copying what is still in use, and an event is in use from
 * the moment it is read until its messages are confirmed. A small one costs little memory and makes short pauses, but under
 * full load most of what is in it is in use at each collection: copying took a quarter of the processor time of an
 * event. A large one is collected when most of it is garbage.
 *
 *   small ──sensors had to wait for room at two looks in a row──▶ large ──at 120 looks in a row none had──▶ small
 *
 * While sensors wait, an event's time is spent in queues, so that longer pauses do not count and throughput does. A look is
 * taken every quarter second from the first wait on; while nothing waits, nothing runs.
 *
 * V8 begins at 1 MiB, doubles it when much has survived, and makes it smaller in a full collection while little is allocated.
 * How far it may go can be said only by the factor of its growth: 1 keeps the size that it has. So small is what V8 has once
 * it is above 3 MiB, which is 4 if it was limited in time: with each look, and whenever the process is awake for a renewal of
 * its leases. Large is 16 MiB (build/packing/heap-flags.ts). The factor is set after all code is loaded, because V8 loads
 * no code cache that was made under other flags. docs/decisions/0020-small-young-generation.md has the measurements.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { Changes } from "../concurrency/changes.ts";
import type { Clock } from "../time/clock.ts";

export type YoungSize = "small" | "large";

export interface Pressure {
  readonly size: YoungSize;
  /** Looks in a row that spoke for the other size. */
  readonly looks: number;
}

export const noPressure: Pressure = { size: "small", looks: 0 };

const lookMs = 250;
const looksUntil = { large: 2, small: 120 } as const;
/** Above this it has 4 MiB. */
const growsBelowBytes = 3 * 1024 * 1024;

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

  /** Tells V8 how far it may go now. For moments at which the process is awake anyway, some a minute. */
  limit(): void {
    limitYoungGeneration(this.size);
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#changes.note(), { once: true });
    while (!signal.aborted) await this.#nextLook(signal);
  }

  async #nextLook(signal: AbortSignal): Promise<void> {
    const { size, looks } = this.#pressure;
    if (size === "small" && looks === 0) await this.#nextWait(signal);
    await this.#clock.sleep(lookMs, signal);
    this.#pressure = pressureAfter(this.#pressure, this.#hasWaited);
    this.#hasWaited = false;
    this.limit();
  }

  async #nextWait(signal: AbortSignal): Promise<void> {
    while (!this.#hasWaited && !signal.aborted) await this.#changes.next();
  }
}

let factor: number | undefined;

/** From now on V8 keeps the size that it has, or may make it larger. */
export function limitYoungGeneration(size: YoungSize): void {
  // From 4 to 16 MiB in one step.
  const wanted = size === "large" ? 4 : youngBytes() < growsBelowBytes ? 2 : 1;
  if (wanted === factor) return;
  factor = wanted;
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

/** Of the half that is in use; not all of its memory may be taken from the system yet. */
function youngBytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
  return space === undefined ? 0 : space.space_used_size + space.space_available_size;
}

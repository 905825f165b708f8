/**
 * How many events and bytes the API's callers may have waiting, all together and each alone.
 *
 * A caller has at most half of the room: one sensor whose events cannot be stored does not shut out the others.
 */
export interface PostRoomLimits {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

interface Held {
  events: number;
  bytes: number;
}

export class PostRoom {
  readonly #limits: PostRoomLimits;
  readonly #held: Held = { events: 0, bytes: 0 };
  readonly #byCaller = new Map<string, Held>();

  constructor(limits: PostRoomLimits) {
    this.#limits = limits;
  }

  /** Whether a request of that size would find room. A request always does when its caller has no other. */
  has(caller: string, { events, bytes }: Readonly<Held>): boolean {
    const { eventsMax, bytesMax } = this.#limits;
    const own = this.#byCaller.get(caller);
    const fits = (held: Held, share: number): boolean =>
      held.events + events <= eventsMax / share && held.bytes + bytes <= bytesMax / share;
    return fits(this.#held, 1) && (own === undefined || fits(own, 2));
  }

  take(caller: string, { events, bytes }: Readonly<Held>): void {
    let own = this.#byCaller.get(caller);
    if (own === undefined) this.#byCaller.set(caller, (own = { events: 0, bytes: 0 }));
    for (const held of [this.#held, own]) {
      held.events += events;
      held.bytes += bytes;
    }
  }

  release(caller: string, { events, bytes }: Readonly<Held>): void {
    const own = this.#byCaller.get(caller);
    if (own === undefined) return;
    for (const held of [this.#held, own]) {
      held.events -= events;
      held.bytes -= bytes;
    }
    if (own.events === 0 && own.bytes === 0) this.#byCaller.delete(caller);
  }
}

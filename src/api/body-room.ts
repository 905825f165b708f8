/**
 * Room for bodies that take memory as long as their clients like: those of requests that are still arriving, and those of
 * answers that are not read yet.
 *
 * A client decides how slowly it sends and reads, so without a bound its connections could fill the memory. All bodies of a room
 * hold at most `bytesMax` together. When one needs more than is left, a body is dropped: of the caller whose bodies hold most,
 * the largest. What the asking body needs counts as held, and on a tie it is the one that is dropped.
 *
 *     open ──▶ held ──▶ closed: it is complete, broke off, or took longer than the server waits
 *               │
 *               └─────▶ dropped to make room; its request is answered 503, or its connection closed
 *
 * Invariants:
 *
 * - The bodies of a room never hold more than `bytesMax`.
 * - Nothing is dropped while there is room.
 * - A caller whose bodies hold at most an equal share, `bytesMax` divided by the number of callers, loses none of them, whatever
 *   the others do. A caller alone may fill the room.
 * - A body that is smaller than the average of its caller's bodies is not dropped, so a short request gets through beside many
 *   long ones with the same token.
 *
 * A body yields at once, so dropping one never waits. A drop costs a look at each caller and at each body of one of them, and
 * ends a request of the caller with most, so a flood pays for it with its own requests.
 */

interface HeldBody {
  readonly heldBytes: number;
}

interface Share<Body extends HeldBody> extends HeldBody {
  readonly bodies: Iterable<Body>;
}

interface Asking<Body extends HeldBody> {
  readonly share: Share<Body>;
  /** One of its share. */
  readonly body: Body;
  readonly neededBytes: number;
}

/**
 * The body to drop when there is no room for what one needs.
 *
 * @param shares of all callers, that of the asking one included
 */
export function bodyToDrop<Body extends HeldBody>(
  shares: Iterable<Share<Body>>,
  { share, body, neededBytes }: Asking<Body>,
): Body {
  const largest = largestOf(shares, share, share.heldBytes + neededBytes);
  const isOwn = largest === share;
  return largestOf(largest.bodies, body, isOwn ? body.heldBytes + neededBytes : Number.NEGATIVE_INFINITY);
}

/** The asking one, which counts with the given bytes, unless another holds more. */
function largestOf<Held extends HeldBody>(all: Iterable<Held>, asking: Held, askingBytes: number): Held {
  let largest = asking;
  let most = askingBytes;
  for (const each of all) {
    if (each === asking || each.heldBytes <= most) continue;
    largest = each;
    most = each.heldBytes;
  }
  return largest;
}

export class BodyRoom {
  readonly #bytesMax: number;
  readonly #shares = new Map<string, CallerShare>();
  #heldBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Of all bodies. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Begins a body, which holds nothing yet.
   *
   * @param onDropped called once, if the body is dropped; it is closed then
   */
  open(caller: string, onDropped: () => void): RoomBody {
    let share = this.#shares.get(caller);
    if (share === undefined) this.#shares.set(caller, (share = new CallerShare(caller)));
    const body = new RoomBody(share, onDropped);
    share.bodies.add(body);
    return body;
  }

  /** Whether the body would be the one to drop if it held so many bytes more. */
  isTooMuch(body: RoomBody, neededBytes: number): boolean {
    return this.#toDropFor(body, neededBytes) === body;
  }

  /**
   * Lets the body hold more bytes, at the expense of others if need be.
   *
   * @returns false: it was dropped itself
   */
  grow(body: RoomBody, neededBytes: number): boolean {
    for (;;) {
      const dropped = this.#toDropFor(body, neededBytes);
      if (dropped === undefined) break;
      this.close(dropped);
      dropped.onDropped();
      if (dropped === body) return false;
    }
    this.#hold(body, neededBytes);
    return true;
  }

  /** Gives back what the body holds. */
  close(body: RoomBody): void {
    const { share } = body;
    if (!share.bodies.delete(body)) return;
    this.#hold(body, -body.heldBytes);
    if (share.bodies.size === 0) this.#shares.delete(share.caller);
  }

  #toDropFor(body: RoomBody, neededBytes: number): RoomBody | undefined {
    if (this.#heldBytes + neededBytes <= this.#bytesMax) return undefined;
    return bodyToDrop(this.#shares.values(), { share: body.share, body, neededBytes });
  }

  #hold(body: RoomBody, bytes: number): void {
    this.#heldBytes += bytes;
    body.share.heldBytes += bytes;
    body.heldBytes += bytes;
  }
}

/** The bodies of one caller. */
class CallerShare implements Share<RoomBody> {
  readonly caller: string;
  readonly bodies = new Set<RoomBody>();
  heldBytes = 0;

  constructor(caller: string) {
    this.caller = caller;
  }
}

/** Only its room changes what it holds. */
export class RoomBody implements HeldBody {
  readonly share: CallerShare;
  readonly onDropped: () => void;
  heldBytes = 0;

  constructor(share: CallerShare, onDropped: () => void) {
    this.share = share;
    this.onDropped = onDropped;
  }
}

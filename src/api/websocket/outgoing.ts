/**
 * What one client is still to be sent.
 *
 * Frames go to the socket only while little waits there, so that the rest costs a reference each: their bytes are shared
 * with all other clients. Two bounds end a client that does not read: the frames that wait for it, and how long none was
 * taken. The state of a trigger's rules counts as one, however many rules there are.
 */
import type { Clock } from "../../time/clock.ts";

/** The part of a `ws` socket that sends. */
export interface FrameSocket {
  readonly bufferedAmount: number;
  send(
    data: Buffer,
    options: { readonly binary: false; readonly compress: false },
    done: (error?: Error) => void,
  ): void;
}

export interface OutgoingLimits {
  /** Frames, and states of triggers, that may wait. */
  readonly waitingMax: number;
  readonly waitingBytesMax: number;
  /** While something waits, some must be taken within this time. */
  readonly stalledMsMax: number;
}

interface Waiting {
  readonly frames: readonly Buffer[];
  /** That count. */
  readonly bytes: number;
  next: number;
}

/** Enough for the kernel to go on with, little enough for ten thousand clients. */
const socketBytesMax = 32 * 1024;
const sendOptions = { binary: false, compress: false } as const;

export class Outgoing {
  readonly #socket: FrameSocket;
  readonly #limits: OutgoingLimits;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #waiting: Waiting[] = [];
  /** In `#waiting`, of the first that is not sent. */
  #head = 0;
  #waitingBytes = 0;
  #takenAtMs: number;

  constructor(socket: FrameSocket, limits: OutgoingLimits, clock: Pick<Clock, "monotonicMs">) {
    this.#socket = socket;
    this.#limits = limits;
    this.#clock = clock;
    this.#takenAtMs = clock.monotonicMs();
  }

  send(frame: Buffer): void {
    this.#push({ frames: [frame], bytes: frame.length, next: 0 });
  }

  sendState(frames: readonly Buffer[]): void {
    if (frames.length > 0) this.#push({ frames, bytes: 0, next: 0 });
  }

  /** Whether the client reads too slowly to go on. */
  get isTooSlow(): boolean {
    const { waitingMax, waitingBytesMax, stalledMsMax } = this.#limits;
    if (this.#waiting.length - this.#head > waitingMax || this.#waitingBytes > waitingBytesMax) return true;
    return !this.#isIdle && this.#clock.monotonicMs() - this.#takenAtMs > stalledMsMax;
  }

  get #isIdle(): boolean {
    return this.#waiting.length === this.#head && this.#socket.bufferedAmount === 0;
  }

  #push(waiting: Waiting): void {
    if (this.#isIdle) this.#takenAtMs = this.#clock.monotonicMs();
    this.#waiting.push(waiting);
    this.#waitingBytes += waiting.bytes;
    this.#flush();
  }

  #flush(): void {
    while (this.#socket.bufferedAmount < socketBytesMax) {
      const first = this.#waiting[this.#head];
      if (first === undefined) break;
      const frame = first.frames[first.next];
      first.next += 1;
      if (first.next >= first.frames.length) {
        this.#head += 1;
        this.#waitingBytes -= first.bytes;
      }
      if (frame !== undefined) this.#socket.send(frame, sendOptions, this.#taken);
    }
    if (this.#head > 0 && this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }

  readonly #taken = (error?: Error): void => {
    // The socket's close reports it.
    if (error !== undefined) return;
    this.#takenAtMs = this.#clock.monotonicMs();
    if (this.#waiting.length > this.#head) this.#flush();
  };
}

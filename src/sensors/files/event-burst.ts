/**
 * Notices that the kernel may have dropped events.
 *
 * Its queue holds `fs.inotify.max_queued_events` events of all watches of a process. Events that arrive while it is full are
 * dropped, and Node does not report that. But a process that reads slowly enough to lose events then reads a full queue. So more
 * than half a queue within `windowMs` calls for a rescan of everything.
 */
/** Of Linux, unless an administrator has changed it. */
export const usualQueueLength = 16_384;
const windowMs = 1_000;

export class EventBurst {
  readonly #countMax: number;
  readonly #onDoubt: () => void;
  #windowBeganMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(length: number, onDoubt: () => void) {
    this.#countMax = Math.ceil(length / 2);
    this.#onDoubt = onDoubt;
  }

  /** An event was read. */
  note(nowMs: number): void {
    if (nowMs - this.#windowBeganMs > windowMs) {
      this.#windowBeganMs = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count === this.#countMax) this.#onDoubt();
  }
}

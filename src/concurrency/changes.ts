/**
 * Signals changes of some state to callers that wait for a condition:
 *
 *     while (!isAsWanted()) await changes.next();
 *
 * No change is missed, because nothing else runs between the check and the wait, and the condition is checked again
 * after each change. Without waiters, noting a change costs nothing.
 */
export class Changes {
  #next: PromiseWithResolvers<void> | undefined;

  /** Resolves at the next change. */
  next(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    return this.#next.promise;
  }

  /** Wakes all waiters. */
  note(): void {
    this.#next?.resolve();
    this.#next = undefined;
  }
}

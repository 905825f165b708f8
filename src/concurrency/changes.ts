/**
 * Changes of some state, for those who wait until it is as they want:
 *
 *     while (!isAsWanted()) await changes.next();
 *
 * Nothing is missed: between the check and the wait nobody else runs, and after each change the state is checked
 * again. Noting a change that nobody waits for costs nothing.
 */
export class Changes {
  #next: PromiseWithResolvers<void> | undefined;

  /** Resolves at the next change. */
  next(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    return this.#next.promise;
  }

  /** Wakes everybody who waits. */
  note(): void {
    this.#next?.resolve();
    this.#next = undefined;
  }
}

/** Work that several wait for. It is stopped only when nobody waits for it any more. */
export class SharedTask<Result> {
  readonly ended: Promise<Result>;
  readonly #stop = new AbortController();
  #waiting = 0;

  /** @param work has to end soon after its signal aborts */
  constructor(work: (signal: AbortSignal) => Promise<Result>) {
    this.ended = work(this.#stop.signal);
  }

  /** Whether it is being stopped, so that its result is worth nothing to a newcomer. */
  get isAbandoned(): boolean {
    return this.#stop.signal.aborted;
  }

  /**
   * Waits for the result.
   *
   * @param signal stops waiting; whoever is the last to do so sees the work end
   * @returns undefined after the signal
   */
  async join(signal: AbortSignal): Promise<Result | undefined> {
    const { promise: left, resolve } = Promise.withResolvers<undefined>();
    const leave = (): void => {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#stop.abort();
      resolve(undefined);
    };
    this.#waiting += 1;
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    try {
      await Promise.race([this.ended, left]);
      if (this.isAbandoned) await this.ended;
      return signal.aborted ? undefined : await this.ended;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}

/** Work shared by several callers. It is stopped only when the last of them stops waiting. */
export class SharedTask<Result> {
  readonly ended: Promise<Result>;
  readonly #stop = new AbortController();
  #waiting = 0;

  /** @param work must end soon after its signal aborts */
  constructor(work: (signal: AbortSignal) => Promise<Result>) {
    this.ended = work(this.#stop.signal);
  }

  /** Whether it is being stopped, so that new callers should not join. */
  get isAbandoned(): boolean {
    return this.#stop.signal.aborted;
  }

  /**
   * Waits for the result.
   *
   * @param signal stops waiting; the last caller to stop also waits for the work to end
   * @returns undefined if the signal aborted
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

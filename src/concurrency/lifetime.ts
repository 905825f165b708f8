/**
 * The parts of something long-lived, closed in the reverse of the order they were opened in.
 *
 * A loop is a part too: closing it aborts its signal and waits for its end. A loop that ends with an
 * error by itself is a bug in it, or the end of the whole; whoever owns the lifetime learns of it
 * through `onFailure` and decides.
 */
export class Lifetime implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #onFailure: (error: unknown) => void;

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /**
   * Adopts a part that was just opened.
   *
   * @throws when everything has been closed meanwhile; the part is then closed too
   */
  async use<Part extends AsyncDisposable>(part: Part): Promise<Part> {
    if (this.#stack.disposed) {
      await part[Symbol.asyncDispose]();
      throw new Error("stopped while starting");
    }
    return this.#stack.use(part);
  }

  /** @throws when everything has been closed meanwhile; as `run` */
  onClose(close: () => Promise<void>): void {
    this.#refuseWhenClosed();
    this.#stack.defer(close);
  }

  run(loop: (signal: AbortSignal) => Promise<void>): void {
    this.#refuseWhenClosed();
    const ending = new AbortController();
    const run = loop(ending.signal).catch(this.#onFailure);
    this.#stack.defer(async () => {
      ending.abort();
      await run;
    });
  }

  /** Before anything is begun that nobody would end. */
  #refuseWhenClosed(): void {
    if (this.#stack.disposed) throw new Error("stopped while starting");
  }

  /** Closes everything, also when closing some of it fails; then throws those failures. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

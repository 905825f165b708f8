/**
 * Owns the parts of something long-lived and closes them in reverse order.
 *
 * A loop is a part too: closing it aborts its signal and waits until it ends. If a loop fails, `onFailure`
 * tells the owner of the lifetime, who decides what follows.
 */
export class Lifetime implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #onFailure: (error: unknown) => void;

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /**
   * Takes ownership of a part that was just opened.
   *
   * @throws if the lifetime was closed meanwhile; the part is then closed too
   */
  async use<Part extends AsyncDisposable>(part: Part): Promise<Part> {
    if (this.#stack.disposed) {
      await part[Symbol.asyncDispose]();
      throw new Error("stopped while starting");
    }
    return this.#stack.use(part);
  }

  /** @throws if the lifetime was closed meanwhile, like `run` */
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

  /** Prevents starting anything that would never be stopped. */
  #refuseWhenClosed(): void {
    if (this.#stack.disposed) throw new Error("stopped while starting");
  }

  /** Closes everything even if closing some parts fails, then throws those failures. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

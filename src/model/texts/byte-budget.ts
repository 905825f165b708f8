/** What rules may make of the events of one batch; a batch that becomes more is stored in pieces. */
export const textCharactersMax = 64 * 1_024 * 1_024;

/**
 * How much text may still be made of the events at hand. Rules can write any payload into any number of texts:
 * nothing else bounds what becomes of one event.
 */
export class TextRoom {
  readonly #charactersMax: number;
  #characters = 0;

  constructor(charactersMax = textCharactersMax) {
    this.#charactersMax = charactersMax;
  }

  /** @throws TooMuchTextError when there is no room for that many more */
  take(characters: number): void {
    this.#characters += characters;
    if (this.#characters > this.#charactersMax) throw new TooMuchTextError(this.#charactersMax);
  }
}

export class TooMuchTextError extends Error {
  override readonly name = "TooMuchTextError";

  constructor(charactersMax: number) {
    super(`more than ${charactersMax} characters`);
  }
}

/** Also V8's own word for a text that is longer than a text can be. */
export function isTooMuchText(error: unknown): boolean {
  return (
    error instanceof TooMuchTextError ||
    (error instanceof RangeError && error.message === "Invalid string length")
  );
}

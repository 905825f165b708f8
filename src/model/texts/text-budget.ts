/** How much text the rules may render for one batch of events; a batch that exceeds it is stored in pieces. */
export const textCharactersMax = 64 * 1_024 * 1_024;

/**
 * Limits the text rendered for the events at hand. Rules can insert any payload into any number of strings, and
 * nothing else limits the result.
 */
export class TextBudget {
  readonly #charactersMax: number;
  #characters = 0;

  constructor(charactersMax = textCharactersMax) {
    this.#charactersMax = charactersMax;
  }

  /** @throws TextBudgetError if that exceeds the limit */
  take(characters: number): void {
    this.#characters += characters;
    if (this.#characters > this.#charactersMax) throw new TextBudgetError(this.#charactersMax);
  }
}

export class TextBudgetError extends Error {
  override readonly name = "TextBudgetError";

  constructor(charactersMax: number) {
    super(`more than ${charactersMax} characters`);
  }
}

/** Includes V8's error for a string that exceeds its maximum length. */
export function isTextTooLarge(error: unknown): boolean {
  return (
    error instanceof TextBudgetError ||
    (error instanceof RangeError && error.message === "Invalid string length")
  );
}

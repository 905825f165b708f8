/**
 * Keeps one copy of equal texts. Many rules have the same parameters and refs, and each is read with a copy of its own.
 *
 * It remembers a bounded number of texts, so equal ones that are far apart may remain two.
 */
const textsMax = 10_000;
/** Longer texts are rarely equal, and hashing them takes time. */
const lengthMax = 1_000;

export class SharedTexts {
  readonly #texts = new Map<string, string>();

  /** An equal text. */
  shared(text: string): string {
    if (text.length > lengthMax) return text;
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= textsMax) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }
}

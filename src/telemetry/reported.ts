/** Remembers what was last reported about each subject, so that it is reported once, and again only when it changes. */
export class Reported<Subject> {
  readonly #texts = new Map<Subject, string>();

  /** Whether this text differs from the last one about the subject. It then counts as reported. */
  isNew(subject: Subject, text: string): boolean {
    if (this.#texts.get(subject) === text) return false;
    this.#texts.set(subject, text);
    return true;
  }

  /**
   * Forgets all other subjects.
   *
   * @returns those that were forgotten
   */
  keepOnly(subjects: { has(subject: Subject): boolean }): readonly Subject[] {
    const gone = [...this.#texts.keys()].filter((subject) => !subjects.has(subject));
    for (const subject of gone) this.#texts.delete(subject);
    return gone;
  }
}

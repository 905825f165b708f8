/**
 * Slows sources at full speed down to what a healthy broker takes.
 *
 * Storing never waits for the broker. But to store faster than the broker takes only fills the outbox, and reading it
 * back costs database and processor more than sending from memory. So a source that can wait is given room for another
 * event only while not too much is on its way to the broker. While the broker confirms nothing, nobody waits.
 */
export interface Pace {
  /** Undefined: there is room. Resolves soon in any case. */
  ease(): Promise<void> | undefined;
}

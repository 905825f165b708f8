/**
 * Slows sources at full speed down to what a healthy broker takes.
 *
 * Storing never waits for the broker. But storing faster than the broker accepts messages only fills the outbox, and
 * reading messages back costs more than sending them from memory. So a source that can wait gets room for another event
 * only while few enough messages are unconfirmed. While the broker confirms nothing, nobody waits.
 */
export interface Pace {
  /** Undefined: there is room. Resolves soon in any case. */
  ease(): Promise<void> | undefined;
}

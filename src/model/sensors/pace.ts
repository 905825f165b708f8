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

/** What is on its way to the broker. */
export interface DeliveryLoad {
  /** Messages sent and not yet confirmed, and about the memory that their bodies take. */
  readonly inFlightCount: number;
  readonly bytesInFlight: number;
  /** Whether new messages are left in the outbox. */
  readonly isBehind: boolean;
  /** Monotonic milliseconds of the last confirm; -Infinity before the first. */
  readonly confirmedAtMs: number;
}

/** From here on sources wait, in messages and bytes in flight. */
export interface CrowdingLimits {
  readonly inFlightMin: number;
  readonly bytesMin: number;
}

/** A broker that takes messages confirms some in this time. */
const confirmingWithinMs = 500;

/** Whether sources that can wait should. */
export function isCrowded(
  load: DeliveryLoad,
  { inFlightMin, bytesMin }: CrowdingLimits,
  nowMs: number,
): boolean {
  const isConfirming = nowMs - load.confirmedAtMs < confirmingWithinMs;
  const isMuch = load.inFlightCount >= inFlightMin || load.bytesInFlight >= bytesMin;
  return isConfirming && (load.isBehind || isMuch);
}

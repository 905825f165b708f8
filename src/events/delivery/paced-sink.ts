/**
 * The pipeline as sensors see it: a sensor at full speed is slowed down to what a healthy broker takes.
 *
 * Storing never waits for the broker. But to store faster than the broker takes only fills the outbox, and reading it
 * back costs database and processor more than sending from memory. So an event of a sensor counts as under way a little
 * longer than it takes to store it: until the publisher has room, and for a bounded time. Then only a sensor that has
 * all its events under way waits; the others notice nothing. While the broker confirms nothing, nobody waits.
 */
import type { EventSink } from "../../model/sensors/incoming-event.ts";

export interface Pace {
  /** Undefined: there is room. Resolves soon in any case. */
  ease(): Promise<void> | undefined;
}

export function pacedSink(sink: EventSink, pace: Pace): EventSink {
  return {
    // Not an async function: it is called for every event.
    accept: (event) => sink.accept(event).then((outcome) => pace.ease()?.then(() => outcome) ?? outcome),
    advance: (move) => sink.advance(move),
  };
}

/**
 * Resolves once what this turn of the event loop gave to a stream that writes at the turn's end is with the system:
 * rabbitmq/prompt-writes.ts writes in a tick, and ticks run in order, before what follows promises that they settle.
 */
export function written(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}

/**
 * Resolves once the messages that were published just now have been passed to the operating system.
 * rabbitmq/prompt-writes.ts writes them in a tick. Ticks run in order, so this one comes after it.
 */
export function written(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}

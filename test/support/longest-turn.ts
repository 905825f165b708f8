/**
 * How long the event loop was held at most, in milliseconds of this thread's processor time: what else the machine
 * does meanwhile is no part of it.
 */
export function watchTurns(): { readonly longestMs: () => number } & Disposable {
  let longest = 0;
  let before = process.threadCpuUsage();
  // A timer that is due runs once in each turn of the loop.
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before);
    longest = Math.max(longest, (user + system) / 1_000);
    before = process.threadCpuUsage();
  }, 1);
  return { longestMs: () => longest, [Symbol.dispose]: () => clearInterval(timer) };
}

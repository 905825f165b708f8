/** What the processor did for this thread meanwhile, in milliseconds: what else the machine does is no part of it. */
export function processorMs(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

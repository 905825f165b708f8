/**
 * Runs a service until a signal asks it to stop, or until it fails from within.
 *
 *     starting ──▶ serving ──first SIGINT or SIGTERM──▶ stopping ──▶ stopped
 *         └──────────────────────────▲                     │
 *              a signal while it starts stops it too        └── second signal: the process ends at once
 *
 * Stopping is the service's to bound; whoever cannot wait for it sends the second signal. What comes
 * sooner than a person could is no second one: a terminal signals a whole group of processes, and those in
 * it that watch over others (npm, timeout, an init) hand the signal on as well.
 */
export interface Service {
  start(): Promise<unknown>;
  stop(): Promise<void>;
  /** Rejects when the service can no longer do its work, for example when it was superseded. Never resolves. */
  readonly failure: Promise<never>;
}

const stopSignals = ["SIGINT", "SIGTERM"] as const;
const echoMs = 50;

/** @throws whatever start, stop or the service's own failure threw, after it was stopped */
export async function serveUntilStopped(service: Service, complain: (text: string) => void): Promise<void> {
  const asked = Promise.withResolvers<void>();
  let askedAtMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (askedAtMs !== undefined && performance.now() - askedAtMs < echoMs) return;
    if (askedAtMs !== undefined) {
      complain(`ended at once by a second signal (${signal}); sensors were not waited for\n`);
      process.exit(1);
    }
    askedAtMs = performance.now();
    asked.resolve();
  };
  for (const signal of stopSignals) process.on(signal, onSignal);

  try {
    const serving = service.start().then(() => asked.promise);
    await Promise.race([serving, asked.promise, service.failure]);
  } finally {
    await service.stop();
    for (const signal of stopSignals) process.off(signal, onSignal);
  }
}

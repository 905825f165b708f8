/**
 * Runs a service until it is asked to stop, or until it fails from within.
 *
 *     starting ──▶ serving ──first signal to stop ────▶ stopping ──▶ stopped
 *         └──────────────────────────▲                     │
 *              a signal while it starts stops it too        └── second signal: the process ends at once
 *
 * Stopping is the service's to bound; whoever cannot wait for it sends the second signal.
 */
import type { StopRequest } from "./stop-request.ts";

export interface Service {
  start(): Promise<unknown>;
  stop(): Promise<void>;
  /** Rejects when the service can no longer do its work, for example when it was superseded. Never resolves. */
  readonly failure: Promise<never>;
}

/** @throws whatever start, stop or the service's own failure threw, after it was stopped */
export async function serveUntilStopped(
  service: Service,
  { made: askedToStop }: Pick<StopRequest, "made">,
): Promise<void> {
  try {
    const serving = service.start().then(() => askedToStop);
    await Promise.race([serving, askedToStop, service.failure]);
  } finally {
    await service.stop();
  }
}

/**
 * Runs a service until it is asked to stop, or until it fails from within.
 *
 *     starting ──▶ serving ──first stop signal ───────▶ stopping ──▶ stopped
 *         └──────────────────────────▲                     │
 *              a signal during start-up stops it too        └── second signal: the process ends at once
 *
 * The service bounds the time its stop takes. An operator who cannot wait sends a second signal.
 */
import type { StopRequest } from "./stop-request.ts";

export interface Service {
  start(): Promise<unknown>;
  stop(): Promise<void>;
  /** Rejects when the service can no longer work, for example because it was superseded. Never resolves. */
  readonly failure: Promise<never>;
}

/** @throws the error of start, stop or the service's own failure, after stopping the service */
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

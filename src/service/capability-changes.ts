/** Announces changes of what a worker can run. */
import type { EventGenerator } from "../events/event-generator.ts";
import { runtimeCapabilities } from "../registration/worker-capabilities.ts";
import type { CapabilityChange } from "../runtimes/sensor-runtimes.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { RegisteredWorker } from "./registered-worker.ts";

export async function makeKnown(
  { before, after }: CapabilityChange,
  { registration }: RegisteredWorker,
  scheduler: Scheduler,
  generator: EventGenerator,
  logger: Logger,
): Promise<void> {
  for (const [key, value] of Object.entries(runtimeCapabilities(after)))
    registration.addCapability(key, value);
  await registration.updateCapabilities();
  scheduler.wakeForOwn();
  logger.info({ before: before.runtimes, after: after.runtimes }, "the runtimes of this worker have changed");
  const payload = {
    worker: registration.workerName(),
    before: runtimeCapabilities(before),
    after: runtimeCapabilities(after),
  };
  // Not awaited, because it is stored only once the database answers, and the loop must end before the pipeline.
  generator
    .generateSystemEvent({ ref: "core.worker_capabilities_changed" }, payload)
    .catch((error: unknown) => {
      logger.warn({ error }, "could not announce that the runtimes of this worker have changed");
    });
}

import { bootstrapRuntimes } from "../bootstrap.ts";
import { loadConfiguration, openLogger } from "../configured.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { serveUntilStopped } from "../serve-until-stopped.ts";
import { agentVersion } from "../version.ts";

/** Runs the sensor service until SIGINT or SIGTERM. */
export async function runService(invocation: Invocation): Promise<ExitCode> {
  const { environment, complain } = invocation;
  // Before anything else is loaded: the interpreters are asked synchronously.
  const { detectedInterpreters, runtimesFromEnvironment } = bootstrapRuntimes(environment);

  const loaded = loadConfiguration(invocation);
  const logger = await openLogger(loaded, environment);
  const { SensorService } = await import("../../service.ts");
  const service = new SensorService({
    config: loaded.config,
    logger,
    environment,
    detectedInterpreters,
    runtimesFromEnvironment,
    agentVersion,
  });
  await serveUntilStopped(service, complain);
  return 0;
}

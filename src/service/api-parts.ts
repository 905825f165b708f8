/** The HTTP listeners, and what the API is given to answer with. */
import type { HealthSource } from "../api/ports.ts";
import { startApi } from "../api/server.ts";
import { listeners } from "../config/listeners.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ServiceContext } from "./service-context.ts";

export async function openApi(
  { options, lifetime }: ServiceContext,
  metrics: Metrics,
  health: HealthSource,
): Promise<void> {
  const { config, logger } = options;
  for (const listener of listeners(config)) {
    const { address } = await lifetime.use(await startApi({ ...listener, health, metrics, logger }));
    logger.info({ address }, `answering health and metrics at ${address}`);
  }
}

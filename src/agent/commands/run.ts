import { databaseAddress } from "../../database/postgresql/address.ts";
import { explainingDatabaseFailures } from "../../database/explain-failure.ts";
import { startGuard } from "../../processes/guard.ts";
import { runVersionCommands } from "../../runtimes/version-commands.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { bootstrapRuntimes, type Bootstrap } from "../bootstrap.ts";
import { DebugSwitch } from "../debug-switch.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { openFilesShortage } from "../open-files-shortage.ts";
import { openLogger } from "../open-logger.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { endWithLastWords } from "../last-words.ts";
import type { Activity } from "../../telemetry/activity.ts";
import { serveUntilStopped } from "../serve-until-stopped.ts";
import type { StopRequest } from "../stop-request.ts";
import { agentVersion } from "../version.ts";

export interface RunOptions {
  /** `--watch`. */
  readonly isWatched: boolean;
}

/** Runs the sensor service until it is asked to stop. */
export async function runService(
  invocation: Invocation,
  stop: StopRequest,
  { isWatched }: RunOptions,
): Promise<ExitCode> {
  // The default action would end the executable, and would open a debugger port when running from source.
  process.on("SIGUSR1", () => {});
  const debugSwitch = new DebugSwitch();
  // Detection finishes before anything else is loaded, unless the agent is asked to stop.
  const bootstrap = await detect(invocation, stop);
  if (stop.signal.aborted) return 0;

  const loaded = loadConfiguration(invocation);
  const logger = await openLogger(loaded, invocation.environment, { isAmongWatchedLines: isWatched });
  debugSwitch.control(logger);
  endWithLastWords(logger);
  const shortage = openFilesShortage(loaded.config);
  if (shortage !== undefined) logger.warn({}, shortage);
  const { SensorService } = await import("../../service.ts");
  const service = new SensorService({
    config: loaded.config,
    logger,
    ...bootstrap,
    agentVersion,
    secrets: loaded.secrets,
  });
  using _ = isWatched
    ? await watching(service.activity, loaded.config.sensor.worker_name, invocation)
    : undefined;
  const { database, data_dir, sensor } = loaded.config;
  const address = databaseAddress(database.url, data_dir);
  await explainingDatabaseFailures(`run worker ${sensor.worker_name} on the database at ${address}`, () =>
    serveUntilStopped(
      { start: () => service.start(), stop: () => service.stop(), failure: service.failure },
      stop,
    ),
  );
  return 0;
}

/** Under a guard: if the agent is killed meanwhile, an interpreter that hangs is killed, too. */
async function detect({ environment }: Invocation, { signal }: StopRequest): Promise<Bootstrap> {
  await using guard = startGuard("ATTUNE_DETECTION", silentLogger);
  return await bootstrapRuntimes(environment, runVersionCommands({ guard, signal }));
}

async function watching(
  activity: Activity,
  workerName: string,
  { environment }: Invocation,
): Promise<Disposable> {
  const { watch } = await import("../watch/watch.ts");
  return watch(activity, workerName, environment);
}

import type { Config } from "../config/schema.ts";
import { openFilesLimit } from "../database/embedded/resource-limits.ts";

/** Node's own files, the log, the broker connection, a few API clients, and files being read. */
const ownFiles = 40;
/** A sensor's two pipes, and its log while it is being written. */
const filesPerSensor = 3;

/**
 * Warns if the agent could reach its limit of open files. At that point the symptom would be misleading: a database
 * that does not answer, or a sensor that cannot be started. The embedded database checks its own needs on opening.
 *
 * @returns a sentence for the operator; undefined if the limit suffices
 */
export function openFilesShortage({ database, sensor }: Config): string | undefined {
  const limit = openFilesLimit();
  const needed = ownFiles + database.max_connections + filesPerSensor * sensor.max_concurrent_sensors;
  if (limit === undefined || limit >= needed) return undefined;
  return (
    `this process is limited to ${limit} open files but may need ${needed} for ` +
    `${database.max_connections} connections and ${sensor.max_concurrent_sensors} sensors: raise the limit ` +
    `(ulimit -n, --ulimit nofile=, LimitNOFILE=), or lower database.max_connections or sensor.max_concurrent_sensors`
  );
}

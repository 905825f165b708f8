import type { Config } from "../config/schema.ts";
import { openFilesLimit } from "../database/embedded/resource-limits.ts";

/** What Node has open by itself, the log, the broker's connection, a few clients of the API, and files while they are read. */
const ownFiles = 40;
/** A sensor's two pipes, and its log while that is written. */
const filesPerSensor = 3;

/**
 * Whether the agent may meet its limit of open files later, where it is told in other words: as a database that
 * does not answer, or a sensor that cannot be started. The embedded database asks for its own before it is opened.
 *
 * @returns a sentence for the operator
 */
export function openFilesShortage({ database, sensor }: Config): string | undefined {
  const limit = openFilesLimit();
  const needed = ownFiles + database.max_connections + filesPerSensor * sensor.max_concurrent_sensors;
  if (limit === undefined || limit >= needed) return undefined;
  return (
    `this process may have ${limit} files open at once, and may need ${needed} with ` +
    `${database.max_connections} connections and ${sensor.max_concurrent_sensors} sensors: raise the limit ` +
    `(ulimit -n, --ulimit nofile=, LimitNOFILE=), or lower database.max_connections or sensor.max_concurrent_sensors`
  );
}

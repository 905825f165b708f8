import type { Database } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { readActiveWorkers } from "../database/statements/installation.ts";
import { measureOutbox } from "../database/statements/outbox.ts";
import type { FleetFacts } from "../telemetry/gauges.ts";

/** All workers and all pending messages, for the metrics. Rejects while the database is unreachable. */
export async function readFleetFacts(database: Database): Promise<FleetFacts> {
  const [workers, outbox] = await Promise.all([
    rowsOf(database, readActiveWorkers, undefined),
    rowOf(database.relaxed, measureOutbox, undefined),
  ]);
  const workersByRuntime = new Map<string, number>();
  for (const runtime of workers.flatMap(({ runtimes }) => runtimes)) {
    workersByRuntime.set(runtime, (workersByRuntime.get(runtime) ?? 0) + 1);
  }
  return {
    activeWorkers: workers.length,
    capacitySensors: workers.reduce((sum, { sensorCountMax }) => sum + sensorCountMax, 0),
    workersByRuntime,
    heartbeatLagSeconds: new Map(workers.map(({ name, heartbeatLagSeconds }) => [name, heartbeatLagSeconds])),
    outboxMessages: outbox?.depth ?? 0,
    outboxAgeSeconds: outbox?.oldestSeconds ?? 0,
  };
}

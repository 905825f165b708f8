/** What operators do with sensors, wherever these run: a mailbox shared with the other agents, and what it carries. */
import type { SensorOperations } from "../api/routes/sensor-operations.ts";
import type { Database } from "../database/database.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import { SnapshotReads } from "../database/snapshot-reads.ts";
import { rowOf } from "../database/statement.ts";
import { readSensorOwner } from "../database/statements/sensor-owner.ts";
import { readSensorStatus } from "../diagnosis/sensor-status.ts";
import { SensorRestart } from "../operations/sensor-restart.ts";
import { WorkerMailbox } from "../operations/worker-mailbox.ts";
import type { OpenedSensors } from "./sensor-parts.ts";
import type { ServiceContext } from "./service-context.ts";

export interface OpenedOperations {
  readonly mailbox: WorkerMailbox;
  readonly operations: SensorOperations;
}

export function openOperations(
  { options, lifetime, instance, clock, random }: ServiceContext,
  database: Database,
  { scheduler, sensors }: OpenedSensors,
): OpenedOperations {
  const { config, logger } = options;
  const reads = new SnapshotReads(database);
  const explained = <T>(attempt: string, work: () => Promise<T>): Promise<T> =>
    explainingDatabaseFailures(`${attempt} in the database at ${database.address}`, work);
  // The two use each other, and do so only once both are there.
  const mailbox: WorkerMailbox = new WorkerMailbox({
    database,
    instance,
    ownsSensors: () => scheduler.held().size > 0,
    carryOut: ({ sensorId }) => restarts.carryOut(sensorId),
    clock,
    logger,
    random,
  });
  const restarts = new SensorRestart({
    workerName: config.sensor.worker_name,
    instance,
    readOwner: (ref) => reads.read((rows) => rowOf(rows, readSensorOwner, ref)),
    sensors,
    mailbox,
  });
  lifetime.run((signal) => mailbox.run(signal));
  return {
    mailbox,
    operations: {
      readStatus: (ref) =>
        explained("read the status of a sensor", () => reads.read((rows) => readSensorStatus(rows, ref))),
      restart: (ref, signal) => explained("restart a sensor", () => restarts.restart(ref, signal)),
    },
  };
}

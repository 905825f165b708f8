/** What operators do with sensors, wherever these run: a mailbox shared with the other agents, and what it carries. */
import type { SensorLogSource } from "../api/routes/sensor-logs.ts";
import type { SensorExplanations } from "../api/routes/explanations.ts";
import type { SensorOperations } from "../api/routes/sensor-operations.ts";
import type { Database } from "../database/database.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import type { SnapshotReads } from "../database/snapshot-reads.ts";
import { rowOf } from "../database/statement.ts";
import { readSensorOwner, type SensorOwner } from "../database/statements/sensor-owner.ts";
import { explainSensor, readSensorFacts } from "../diagnosis/sensor-explanation.ts";
import { readSensorStatus } from "../diagnosis/sensor-status.ts";
import { createRedactor } from "../model/texts/redaction.ts";
import { SensorLogReading } from "../operations/sensor-log-reading.ts";
import { SensorRestart } from "../operations/sensor-restart.ts";
import { WorkerMailbox } from "../operations/worker-mailbox.ts";
import type { OpenedSensors } from "./sensor-parts.ts";
import type { ServiceContext } from "./service-context.ts";

/** Among which rejected output is looked for. */
const explainedLines = 500;

export interface OpenedOperations {
  readonly mailbox: WorkerMailbox;
  readonly operations: SensorOperations & SensorLogSource & SensorExplanations;
}

export function openOperations(
  { options, lifetime, instance, clock, random }: ServiceContext,
  database: Database,
  reads: SnapshotReads,
  { scheduler, sensors, logs, whenHeldChanges }: Omit<OpenedSensors, "start">,
): OpenedOperations {
  const { config, secrets, logger } = options;
  const explained = <T>(attempt: string, work: () => Promise<T>): Promise<T> =>
    explainingDatabaseFailures(`${attempt} in the database at ${database.address}`, work);
  // The two use each other, but only once both exist.
  const mailbox: WorkerMailbox = new WorkerMailbox({
    database,
    instance,
    ownsSensors: () => scheduler.held().size > 0,
    carryOut: (request, signal) => {
      switch (request.kind) {
        case "restart":
          return restarts.carryOut(request);
        case "logs":
          return reading.carryOut(request, signal);
      }
    },
    clock,
    logger,
    random,
  });
  const readOwner = (ref: string): Promise<SensorOwner | undefined> =>
    reads.read((rows) => rowOf(rows, readSensorOwner, ref));
  const restarts = new SensorRestart({
    workerName: config.sensor.worker_name,
    instance,
    readOwner,
    sensors,
    mailbox,
  });
  const reading = new SensorLogReading({
    instance,
    readOwner,
    isRunningHere: (sensorId) => sensors.isRunning(sensorId),
    logs,
    mailbox,
    redact: createRedactor(secrets),
    clock,
    logger,
  });
  // A former owner may have died with requests for its sensors.
  whenHeldChanges(() => mailbox.wake());
  lifetime.run((signal) => mailbox.run(signal));
  return {
    mailbox,
    operations: {
      readStatus: (ref) =>
        explained("read the status of a sensor", () => reads.read((rows) => readSensorStatus(rows, ref))),
      restart: (ref, signal) => explained("restart a sensor", () => restarts.restart(ref, signal)),
      explainSensor: (ref, signal) =>
        explained("explain a sensor", async () => {
          const facts = await reads.read((rows) => readSensorFacts(rows, ref));
          const log =
            facts.status === undefined ? undefined : await reading.tail(ref, explainedLines, signal);
          return explainSensor(ref, facts, log?.kind === "page" ? log.page.lines : [], {
            stalledSeconds: sensors.observations.stalledSeconds().get(ref),
            deafSeconds: sensors.observations.deafSeconds().get(ref),
          });
        }),
      readLog: (ref, lines, signal) =>
        explained("find the owner of a sensor", () => reading.tail(ref, lines, signal)),
      followLog: (ref, first, signal) => reading.follow(ref, first, signal),
    },
  };
}

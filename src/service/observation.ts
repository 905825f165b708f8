/** What operators can observe: gauges and the health of each part. */
import type { HealthSource } from "../api/ports.ts";
import type { RuleNotifications } from "../api/websocket/rule-notifications.ts";
import { deliveryHealth } from "../events/delivery/delivery-health.ts";
import { OwedMessages } from "../events/delivery/owed-messages.ts";
import { readFleetFacts } from "../registration/fleet-facts.ts";
import type { PartitionKeeper } from "../retention/partition-keeper.ts";
import type { DatabaseRuleSource } from "../rules/rule-source.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { Connections } from "./connections.ts";
import type { OpenedEvents } from "./event-parts.ts";
import type { RegisteredWorker } from "./registered-worker.ts";
import type { OpenedSensors } from "./sensor-parts.ts";
import { sensorCountMax, type ServiceContext } from "./service-context.ts";

export interface ObservedWork extends Pick<OpenedSensors, "scheduler" | "sensors"> {
  readonly events: Pick<OpenedEvents, "pipeline" | "publisher" | "deliveries" | "refused">;
  readonly rules: DatabaseRuleSource;
  readonly notifications: Pick<RuleNotifications, "count">;
  /** Values in the key store that no configured key decrypts. */
  readonly unreadableKeys: () => number;
  readonly retention: Pick<PartitionKeeper, "kept">;
}

export function openObservation(
  { options, clock }: ServiceContext,
  { runtimes }: RegisteredWorker,
  { database, messageQueue }: Connections,
  metrics: Metrics,
  { events, scheduler, sensors, rules, notifications, unreadableKeys, retention }: ObservedWork,
): HealthSource {
  const { config, agentVersion } = options;
  const { transport } = messageQueue;
  const { pipeline, publisher, deliveries, refused } = events;
  const { sensor } = config;
  const owed = new OwedMessages({ database, clock });
  const parts = (): Readonly<Record<string, PartHealth>> => ({
    database: database.health(),
    broker: deliveryHealth({
      broker: transport.health(),
      refused: refused.counts(),
      unroutable: [...deliveries.unroutable().keys()],
      owed: owed.count,
      nowMs: clock.monotonicMs(),
    }),
    leases: scheduler.health(),
    events: pipeline.health(),
  });
  metrics.observe({
    parts,
    sensorsByState: () => sensors.countByState(),
    sensorsSilentSeconds: () => sensors.observations.silentSeconds(),
    sensorsOutputAgeSeconds: () => sensors.observations.outputAgeSeconds(),
    sensorsUnusuallySilent: () => sensors.observations.unusuallySilent(),
    sensorsLastEventSeconds: () => sensors.observations.lastEventSeconds(),
    sensorsStalledSeconds: () => sensors.observations.stalledSeconds(),
    sensorsDeafSeconds: () => sensors.observations.deafSeconds(),
    eventsInFlight: () => pipeline.waitingCount + publisher.inFlightCount,
    brokerCondition: () => transport.health().condition,
    isBehind: () => publisher.isBehind,
    messagesRefused: () => new Map(Array.from(refused.counts(), ([key, { count }]) => [key, count])),
    unroutableKeys: () => [...deliveries.unroutable().keys()],
    leasesHeld: () => scheduler.held().size,
    sensorsUnplaced: () => scheduler.unplacedCount(),
    keptTables: () => retention.kept(),
    rules: () => rules.current().counts,
    filePlacesPolled: () => sensors.observations.filePlacesPolled(),
    webSockets: () => notifications.count,
    keysUnreadable: unreadableKeys,
    runtimesOffered: () => runtimes.capabilities.runtimes,
    sensorCapacity: sensorCountMax(config),
    sensorCapacityUsed: () => scheduler.load(),
    fleet: () => readFleetFacts(database).catch(() => undefined),
  });
  return {
    version: agentVersion,
    workerName: sensor.worker_name,
    refresh: () => owed.refresh(),
    parts,
    monotonicMs: () => clock.monotonicMs(),
  };
}

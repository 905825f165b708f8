/**
 * The gauges, read at each scrape.
 */
import type { SensorState } from "../model/sensors/sensor-state.ts";
import type { GaugeReading, MetricRegistry } from "./metric-registry.ts";
import type { PartHealth } from "./part-health.ts";
import { recentFacts } from "./recent-facts.ts";

/** Where the gauges get their values at a scrape. All but `fleet` answer from memory. */
export interface GaugeSources {
  readonly parts: () => Readonly<Record<string, PartHealth>>;
  readonly sensorsByState: () => Readonly<Record<SensorState, number>>;
  /** By sensor_ref. */
  readonly sensorsSilentSeconds: () => ReadonlyMap<string, number>;
  /** By sensor_ref. */
  readonly sensorsOutputAgeSeconds: () => ReadonlyMap<string, number>;
  /** By sensor_ref; 1 for those that have been silent for much longer than usual. */
  readonly sensorsUnusuallySilent: () => ReadonlyMap<string, number>;
  /** By sensor_ref, in Unix time. */
  readonly sensorsLastEventSeconds: () => ReadonlyMap<string, number>;
  /** By sensor_ref. */
  readonly sensorsStalledSeconds: () => ReadonlyMap<string, number>;
  readonly sensorsDeafSeconds: () => ReadonlyMap<string, number>;
  readonly eventsInFlight: () => number;
  /** Why the broker accepts no messages, or `up`. */
  readonly brokerCondition: () => string;
  /** Whether messages are currently left in the outbox. */
  readonly isBehind: () => boolean;
  /** Messages that the broker refused and that wait for a retry, by routing key. */
  readonly messagesRefused: () => ReadonlyMap<string, number>;
  /** Routing keys whose messages currently reach no queue. */
  readonly unroutableKeys: () => readonly string[];
  readonly leasesHeld: () => number;
  /** Sensors that should run and run nowhere, if this worker places sensors. */
  readonly sensorsUnplaced: () => number;
  /** By table, if this worker keeps the partitions. */
  readonly keptTables: () => ReadonlyMap<string, KeptTable>;
  readonly rules: () => { readonly valid: number; readonly invalid: number };
  /** Watched places that are polled although no rule asks for it, by why. */
  readonly filePlacesPolled: () => ReadonlyMap<string, number>;
  /** Clients connected over WebSocket. */
  readonly webSockets: () => number;
  /** Values in the key store that no configured key decrypts, as last counted. */
  readonly keysUnreadable: () => number;
  /** Canonical names of the runtimes this worker offers. */
  readonly runtimesOffered: () => readonly string[];
  readonly sensorCapacity: number;
  /** Held sensors that are not built in. */
  readonly sensorCapacityUsed: () => number;
  /** Facts that only the database knows; undefined while it is unreachable. */
  readonly fleet: () => Promise<FleetFacts | undefined>;
}

export const partitionsHeldName = "partitions_held";

/** The partitions of one table. */
export interface KeptTable {
  readonly partitions: number;
  readonly bytes: number;
  /** That should be gone: messages need them, their lock is not free, or they could not be archived. */
  readonly overdue: number;
  /** That are too old by the database's clock, which is doubted. */
  readonly held: number;
  /** Rows that no partition was there for. */
  readonly strayRows: number;
}

/** Facts about all workers and all pending messages. */
export interface FleetFacts {
  readonly activeWorkers: number;
  /** Sum of max_concurrent_sensors over the active workers. */
  readonly capacitySensors: number;
  /** Canonical runtime name → active workers that offer it. */
  readonly workersByRuntime: ReadonlyMap<string, number>;
  /** Worker name → seconds since its row was refreshed, for active workers. */
  readonly heartbeatLagSeconds: ReadonlyMap<string, number>;
  readonly outboxMessages: number;
  /** Age of the oldest pending message; 0 if there is none. */
  readonly outboxAgeSeconds: number;
}

/** Read by doctor from a running agent. */
export const filePlacesPolledName = "file_places_polled";

/** Read by doctor from a running agent. */
export const sensorSilentName = "sensor_silent_seconds";

const factsFreshMs = 5_000;
const factsWaitMs = 2_000;

export function addGauges(registry: MetricRegistry, sources: GaugeSources): void {
  addWorkerGauges(registry, sources);
  addSensorGauges(registry, sources);
  addMessageGauges(registry, sources);
  addPartitionGauges(registry, sources);
  addFleetGauges(registry, sources);
}

/** The worker itself: its parts, its place for sensors, what it loaded and who is connected. */
function addWorkerGauges({ gauge }: MetricRegistry, sources: GaugeSources): void {
  gauge("part_up", "1 if the part works, 0 otherwise", () => partsUp(sources.parts()), "part");
  gauge("sensor_capacity", "Maximum number of sensors on this worker", () => sources.sensorCapacity);
  gauge(
    "sensor_capacity_used",
    "Sensors that use this worker's capacity; built-in sensors use none",
    sources.sensorCapacityUsed,
  );
  gauge("leases_held", "Assignments this worker holds", sources.leasesHeld);
  gauge(
    "sensors_unplaced",
    "Sensors that should run and run nowhere; only of the worker that places sensors",
    sources.sensorsUnplaced,
  );
  gauge(
    "runtime_offered",
    "1 for each runtime this worker offers",
    () => new Map(sources.runtimesOffered().map((name) => [name, 1])),
    "runtime",
  );
  gauge("rules_loaded", "Enabled rules that are matched", () => sources.rules().valid);
  gauge("rules_invalid", "Enabled rules that are invalid and match nothing", () => sources.rules().invalid);
  gauge(
    "keys_unreadable",
    "Values in the key store that no configured encryption key decrypts",
    sources.keysUnreadable,
  );
  gauge(
    filePlacesPolledName,
    "Places that are polled: on file systems without events (`remote`), or at a kernel `limit`",
    sources.filePlacesPolled,
    "cause",
  );
  gauge("websocket_clients", "Clients connected over WebSocket", sources.webSockets);
}

/** The sensors on this worker. */
function addSensorGauges({ gauge }: MetricRegistry, sources: GaugeSources): void {
  gauge(
    "sensors",
    "Sensors on this worker by state",
    () => new Map(Object.entries(sources.sensorsByState())),
    "state",
  );
  gauge(
    sensorSilentName,
    "Time since the start of a stream sensor that has not printed a line yet",
    sources.sensorsSilentSeconds,
    "sensor_ref",
  );
  gauge(
    "sensor_output_age_seconds",
    "Time since a running stream sensor last printed a line",
    sources.sensorsOutputAgeSeconds,
    "sensor_ref",
  );
  gauge(
    "sensor_unusually_silent",
    "1 for a stream sensor that has been silent for five minutes and ten times as long as ever before",
    sources.sensorsUnusuallySilent,
    "sensor_ref",
  );
  gauge(
    "sensor_last_event_timestamp_seconds",
    "Unix time at which a sensor's last event was stored since it started on this worker",
    sources.sensorsLastEventSeconds,
    "sensor_ref",
  );
  gauge(
    "sensor_stalled_seconds",
    "How long a sensor's output has not been read because its events wait to be stored",
    sources.sensorsStalledSeconds,
    "sensor_ref",
  );
  gauge(
    "sensor_deaf_seconds",
    "How long a standalone sensor that listened for rule changes has had no way to hear of them",
    sources.sensorsDeafSeconds,
    "sensor_ref",
  );
}

/** Messages on their way to the broker. */
function addMessageGauges({ gauge }: MetricRegistry, sources: GaugeSources): void {
  gauge("events_in_flight", "Events accepted whose messages are not yet confirmed", sources.eventsInFlight);
  gauge(
    "broker_condition",
    "1 for the broker's current condition: up, connecting, disconnected, blocked or silent",
    () => new Map([[sources.brokerCondition(), 1]]),
    "condition",
  );
  gauge(
    "publishing_behind",
    "1 while messages are read back from the outbox instead of sent from memory",
    () => (sources.isBehind() ? 1 : 0),
  );
  gauge(
    "messages_refused",
    "Messages that the broker refused and that wait for a retry; at most 10,000 are counted",
    sources.messagesRefused,
    "routing_key",
  );
  gauge(
    "routing_key_unroutable",
    "1 for a routing key whose messages currently reach no queue",
    () => new Map(sources.unroutableKeys().map((key) => [key, 1])),
    "routing_key",
  );
}

/** The partitions of stored events, on the worker that keeps them. */
function addPartitionGauges({ gauge }: MetricRegistry, { keptTables }: GaugeSources): void {
  const kept = (pick: (table: KeptTable) => number) => () =>
    new Map(Array.from(keptTables(), ([name, table]) => [name, pick(table)]));
  gauge(
    "partitions",
    "Partitions of a table; only of the worker that keeps them",
    kept(({ partitions }) => partitions),
    "table",
  );
  gauge(
    "partitions_bytes",
    "Size of a table with its indexes; only of the worker that keeps its partitions",
    kept(({ bytes }) => bytes),
    "table",
  );
  gauge(
    "partitions_overdue",
    "Partitions that should have been dropped and could not be",
    kept(({ overdue }) => overdue),
    "table",
  );
  gauge(
    partitionsHeldName,
    "Partitions that are kept because the database's clock may have leapt ahead",
    kept(({ held }) => held),
    "table",
  );
  gauge(
    "stray_rows",
    "Rows for which no partition had been made in time",
    kept(({ strayRows }) => strayRows),
    "table",
  );
}

/** What only the database knows. */
function addFleetGauges({ gauge }: MetricRegistry, sources: GaugeSources): void {
  const fleet = recentFacts(sources.fleet, { freshMs: factsFreshMs, waitMs: factsWaitMs });
  const ofFleet = (pick: (facts: FleetFacts) => GaugeReading) => async () => {
    const facts = await fleet();
    return facts === undefined ? undefined : pick(facts);
  };
  gauge(
    "active_workers",
    "Active sensor workers in the whole installation",
    ofFleet((facts) => facts.activeWorkers),
  );
  gauge(
    "fleet_capacity_sensors",
    "Sum of max_concurrent_sensors over the active workers",
    ofFleet((facts) => facts.capacitySensors),
  );
  gauge(
    "workers_by_runtime",
    "Active workers that offer the runtime",
    ofFleet((facts) => facts.workersByRuntime),
    "runtime",
  );
  gauge(
    "heartbeat_lag_seconds",
    "Age of an active worker's last heartbeat",
    ofFleet((facts) => facts.heartbeatLagSeconds),
    "worker",
  );
  gauge(
    "outbox_messages",
    "Messages committed and not yet confirmed by the broker; estimated above 10,000",
    ofFleet((facts) => facts.outboxMessages),
  );
  gauge(
    "outbox_age_seconds",
    "Age of the oldest message not yet confirmed",
    ofFleet((facts) => facts.outboxAgeSeconds),
  );
}

function partsUp(parts: Readonly<Record<string, PartHealth>>): ReadonlyMap<string, number> {
  const states = Object.entries(parts);
  return new Map(states.map(([part, { state }]) => [part, state === "up" || state === "degraded" ? 1 : 0]));
}

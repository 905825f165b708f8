/**
 * The service's metrics, as functions named after what happened. docs/metrics.md lists them for operators, and
 * a test compares the two.
 *
 * Features call these once per batch or occurrence. Only `eventCommittedAfter` and `eventConfirmedAfter` are
 * called per event, at about 0.2 µs each. Gauges are not set but read at each scrape, so that they are never
 * stale.
 */
import { addGauges, type GaugeSources } from "./gauges.ts";
import { createMetricRegistry, type MetricDescription, type MetricRegistry } from "./metric-registry.ts";

export interface Metrics {
  /** Events of one trigger that a committed batch stored. */
  readonly eventsStored: (triggerRef: string, count: number) => void;
  readonly eventsDuplicate: (count: number) => void;
  /** Events of one sensor that a batch stored or found already stored, which shows that its output is valid. */
  readonly sensorEvents: (sensorRef: string, count: number) => void;
  readonly eventsRefused: (count: number) => void;
  readonly eventsFenced: (count: number) => void;
  readonly spansExported: (count: number) => void;
  readonly spansDropped: (count: number) => void;
  /** Events of a committed batch matched one rule. */
  readonly rulesMatched: (ruleRef: string, count: number) => void;
  readonly enforcementsCreated: (count: number) => void;
  /** One batch was committed by one statement. */
  readonly batchCommitted: (rows: number, seconds: number) => void;
  /** A batch was matched again because rules changed before its commit. */
  readonly batchRematched: (count: number) => void;
  /** The messages of one batch were confirmed this long after they were sent to the broker. */
  readonly messagesConfirmed: (count: number, seconds: number) => void;
  /** Messages were read back from the outbox to be published. */
  readonly messagesSwept: (count: number) => void;
  /** The broker refused a message. */
  readonly messageRefused: (routingKey: string) => void;
  /** The broker confirmed a message that matched no queue. */
  readonly messageUnroutable: (routingKey: string) => void;
  readonly eventCommittedAfter: (seconds: number) => void;
  readonly eventConfirmedAfter: (seconds: number) => void;
  /** Lines of a sensor's output were rejected. */
  readonly linesRejected: (sensorRef: string, count: number) => void;
  readonly logLinesLost: (count: number) => void;
  readonly sensorRestarted: (sensorRef: string) => void;
  /** A change of a file became an event; "rescan": no event of the kernel had shown it. */
  readonly fileChanged: (foundBy: "watch" | "rescan") => void;
  /** All files of a watched folder were looked at again. */
  readonly filesRescanned: (reason: string) => void;
  /** The event of a timer was stored; it fired so long after it was due. */
  readonly timerFired: (lateSeconds: number) => void;
  /** Slots of timers were skipped, for one of a few reasons. */
  readonly timersSkipped: (reason: string, slots: number) => void;
  readonly leasesLost: (count: number) => void;
  /** A partition of the table was dropped. */
  readonly partitionDropped: (table: string) => void;
  /** Stored rows contradict each other; must not happen. */
  readonly invariantViolated: (kind: string) => void;
  /** Payloads of the trigger began to look different. */
  readonly payloadsDrifted: (triggerRef: string) => void;
  /** A WebSocket client was disconnected, for one of a few reasons. */
  readonly webSocketDisconnected: (reason: string) => void;
  /** The agent closed an HTTP connection, for one of a few reasons. */
  readonly httpConnectionRefused: (reason: string) => void;

  /** A request to a webhook was answered. */
  readonly webhookAnswered: (verdict: string, seconds: number) => void;
  /** A request to a webhook was not accepted, for one of a few reasons. */
  readonly webhookRefused: (reason: string) => void;
  /** Requests to webhooks that the delivery log had no room for. */
  readonly webhookDeliveriesUnlogged: (count: number) => void;

  /** Connects the gauges to their sources; called once, by the service. */
  readonly observe: (sources: GaugeSources) => void;

  readonly descriptions: readonly MetricDescription[];
  readonly contentType: string;
  /** All metrics in the exposition format. */
  readonly text: () => Promise<string>;
}

/** The two counters doctor reads from a running agent: events and rejected lines per sensor. */
export const sensorEventsName = "sensor_events_total";
export const linesRejectedName = "lines_rejected_total";

const latencyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const latenessBuckets = [
  0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 600, 3_600, 86_400,
];
const rowBuckets = [1, 2, 5, 10, 25, 50, 100, 200, 300, 400, 500, 1_000];

/** @param withProcess also report this process's memory, CPU, garbage collection and event loop */
export function createMetrics({ version, withProcess }: { version: string; withProcess: boolean }): Metrics {
  const registry = createMetricRegistry();
  if (withProcess) registry.addProcessMetrics();
  registry.gauge(
    "build_info",
    "1, labelled with the running version",
    () => new Map([[version, 1]]),
    "version",
  );
  return {
    ...eventMetrics(registry),
    ...messageMetrics(registry),
    ...sensorMetrics(registry),
    ...clientMetrics(registry),
    ...storageMetrics(registry),
    observe: (sources) => addGauges(registry, sources),
    descriptions: registry.descriptions,
    contentType: registry.contentType,
    text: () => registry.text(),
  };
}

/** Events, from being accepted to being stored with their enforcements. */
function eventMetrics({ counter, counterBy, histogram }: MetricRegistry) {
  const batchRows = histogram("batch_rows", "Events per committed batch", rowBuckets);
  const commitSeconds = histogram(
    "commit_seconds",
    "Time from sending a batch's statement to its commit",
    latencyBuckets,
  );
  return {
    eventsStored: counterBy("events_stored_total", "trigger_ref", "Events stored, by trigger"),
    eventsDuplicate: counter(
      "events_duplicate_total",
      "Events skipped because their dedup_key was already stored",
    ),
    eventsRefused: counter(
      "events_refused_total",
      "Events that can never be stored: unknown or disabled trigger, unstorable payload",
    ),
    eventsFenced: counter(
      "events_fenced_total",
      "Events refused because the sensor had passed to another worker",
    ),
    rulesMatched: counterBy("rules_matched_total", "rule_ref", "Matches of a rule with an event, by rule"),
    enforcementsCreated: counter("enforcements_created_total", "Enforcements stored"),
    batchCommitted(rows, seconds) {
      batchRows(rows);
      commitSeconds(seconds);
    },
    batchRematched: counter(
      "batches_rematched_total",
      "Batches matched again because rules changed before their commit",
    ),
    eventCommittedAfter: histogram(
      "event_accepted_to_committed_seconds",
      "Time from accepting an event to its commit",
      latencyBuckets,
    ),
    spansExported: counter("spans_exported_total", "Spans that the receiver of telemetry.otlp_endpoint took"),
    spansDropped: counter(
      "spans_dropped_total",
      "Spans that found no room, or that the receiver of telemetry.otlp_endpoint did not take",
    ),
  } satisfies Partial<Metrics>;
}

/** The way of messages to the broker. */
function messageMetrics({ counter, counterBy, histogram }: MetricRegistry) {
  const confirmed = counter("messages_confirmed_total", "Messages that the broker confirmed");
  const confirmSeconds = histogram(
    "confirm_seconds",
    "Time from sending a batch's messages to the broker to the last confirmation",
    latencyBuckets,
  );
  return {
    messagesConfirmed(count, seconds) {
      confirmed(count);
      confirmSeconds(seconds);
    },
    messagesSwept: counter("messages_swept_total", "Messages read back from the outbox to be published"),
    messageRefused: counterBy(
      "messages_refused_total",
      "routing_key",
      "Refusals of messages by the broker, including repeated ones",
    ),
    messageUnroutable: counterBy(
      "messages_unroutable_total",
      "routing_key",
      "Confirmed messages that reached no queue, so that nobody received them",
    ),
    eventConfirmedAfter: histogram(
      "event_accepted_to_confirmed_seconds",
      "Time from accepting an event to the confirmation of its last message",
      latencyBuckets,
    ),
  } satisfies Partial<Metrics>;
}

/** Sensors of all kinds, and who runs them. */
function sensorMetrics({ counter, counterBy, histogram }: MetricRegistry) {
  return {
    sensorEvents: counterBy(
      sensorEventsName,
      "sensor_ref",
      "Events of a sensor that were stored or already stored",
    ),
    linesRejected: counterBy(
      linesRejectedName,
      "sensor_ref",
      "Lines of a sensor's output that were rejected",
    ),
    logLinesLost: counter("log_lines_lost_total", "Lines of sensor logs that could not be written"),
    sensorRestarted: counterBy("sensor_restarts_total", "sensor_ref", "Restarts of a sensor after it failed"),
    leasesLost: counter(
      "leases_lost_total",
      "Assignments that passed to another worker before they were released",
    ),
    fileChanged: counterBy(
      "file_changes_total",
      "found_by",
      "Changes of files that became events; `rescan`: no event of the kernel had shown them",
    ),
    filesRescanned: counterBy(
      "file_rescans_total",
      "reason",
      "Looks at all files of a watched folder: `periodic`, `burst` or `polling`",
    ),
    timerFired: histogram(
      "timer_late_seconds",
      "Time from when a timer was due to when it fired",
      latenessBuckets,
    ),
    timersSkipped: counterBy("timer_slots_skipped_total", "reason", "Slots of timers that were skipped"),
  } satisfies Partial<Metrics>;
}

/** Those who talk to the API: webhooks, WebSocket clients, connections. */
function clientMetrics({ counter, counterBy, histogram }: MetricRegistry) {
  const requests = counterBy(
    "webhook_requests_total",
    "verdict",
    "Answered requests to webhooks, by verdict",
  );
  const seconds = histogram(
    "webhook_seconds",
    "Time from the arrival of a webhook's request to its answer",
    latencyBuckets,
  );
  return {
    webhookAnswered(verdict, answeredAfter) {
      requests(verdict);
      seconds(answeredAfter);
    },
    webhookRefused: counterBy(
      "webhook_refusals_total",
      "reason",
      "Requests to webhooks that were refused or failed, by reason",
    ),
    webhookDeliveriesUnlogged: counter(
      "webhook_deliveries_unlogged_total",
      "Requests to webhooks that the delivery log had no room for",
    ),
    webSocketDisconnected: counterBy(
      "websocket_disconnections_total",
      "reason",
      "WebSocket clients that this worker disconnected",
    ),
    httpConnectionRefused: counterBy(
      "http_connections_refused_total",
      "reason",
      "HTTP connections that the agent closed: `limit`, `handshake`, `timeout`, `malformed`, `unread`, `pipelined`",
    ),
  } satisfies Partial<Metrics>;
}

/** What is found out about stored rows, and what is dropped of them. */
function storageMetrics({ counterBy }: MetricRegistry) {
  return {
    partitionDropped: counterBy(
      "partitions_dropped_total",
      "table",
      "Partitions with old rows that this worker dropped",
    ),
    invariantViolated: counterBy(
      "invariant_violations_total",
      "kind",
      "Stored rows found to contradict each other; must be 0",
    ),
    payloadsDrifted: counterBy(
      "payload_drifts_total",
      "trigger_ref",
      "Changes noticed in what payloads of a trigger look like",
    ),
  } satisfies Partial<Metrics>;
}

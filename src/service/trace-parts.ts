/** The export of spans, loaded only where it is configured. */
import type { MatchedEnforcement } from "../events/batch-outcomes.ts";
import { idOf, type EventEntry } from "../events/entries.ts";
import type { StoredEventFacts, EventSpans } from "../telemetry/otlp/event-spans.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ServiceContext } from "./service-context.ts";

/** Undefined: `telemetry.otlp_endpoint` is not set. */
export async function openEventSpans(
  { options, lifetime, instance, clock, random }: ServiceContext,
  installationId: string,
  metrics: Metrics,
): Promise<EventSpans | undefined> {
  const { config, logger, agentVersion } = options;
  const { otlp_endpoint: endpoint, sample_ratio: sampleRatio } = config.telemetry;
  if (endpoint === undefined) return undefined;
  const [{ SpanExporter }, { EventSpans: Spans }] = await Promise.all([
    import("../telemetry/otlp/span-exporter.ts"),
    import("../telemetry/otlp/event-spans.ts"),
  ]);
  const resource = { agentVersion, workerName: config.sensor.worker_name, instance };
  const exporter = new SpanExporter({ endpoint, resource, metrics, logger, clock });
  lifetime.run((signal) => exporter.run(signal));
  return new Spans({ exporter, installationId, sampleRatio, metrics, clock, random });
}

/** What the spans of an event need to know once it is committed. */
export function storedFacts(
  entry: EventEntry,
  enforcements: readonly Pick<MatchedEnforcement, "id">[],
  attemptedAtMs: number,
): StoredEventFacts {
  const { event, source, acceptedAtMs } = entry;
  return {
    eventId: idOf(entry),
    enforcementIds: enforcements.map(({ id }) => id),
    triggerRef: event.triggerRef,
    sensorRef: source?.sensorRef ?? null,
    trace: event.trace,
    acceptedAtMs,
    attemptedAtMs,
  };
}

/** Spans in the JSON form of OTLP 1.x (opentelemetry-proto, trace.proto; ids are hexadecimal there). */

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  /** 1: internal. */
  readonly kind: 1;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
}

export interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

export interface SpanResource {
  readonly agentVersion: string;
  readonly workerName: string;
  readonly instance: string;
}

export function text(key: string, value: string): Attribute {
  return { key, value: { stringValue: value } };
}

export function count(key: string, value: number): Attribute {
  return { key, value: { intValue: String(value) } };
}

/** @param ms milliseconds since 1970, with fractions */
export function unixNano(ms: number): string {
  return `${Math.floor(ms * 1_000)}000`;
}

/** Body of a request to `/v1/traces`. */
export function exportRequest(
  spans: readonly Span[],
  { agentVersion, workerName, instance }: SpanResource,
): string {
  const attributes = [
    text("service.name", "attune-sensor-agent"),
    text("service.version", agentVersion),
    text("service.instance.id", instance),
    text("attune.worker", workerName),
  ];
  const scope = { name: "attune-sensor-agent", version: agentVersion };
  return JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope, spans }] }] });
}

/** What the API needs from the rest of the agent; service/api-parts.ts provides it. */
import type { PartHealth } from "../telemetry/part-health.ts";

export interface HealthSource {
  readonly version: string;
  readonly workerName: string;
  /** Database, broker, registration …, by name. Answers from memory and at once. */
  readonly parts: () => Readonly<Record<string, PartHealth>>;
  /** Milliseconds on the clock that `checkedAtMs` of the parts is read from. */
  readonly monotonicMs: () => number;
}

export interface MetricsSource {
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

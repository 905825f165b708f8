/** The bounds within which sensors run; docs/sensors.md explains them. */
import type { RestartLimits } from "../model/restart-policy.ts";

export interface SensorLimits {
  readonly restart: RestartLimits;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** How long, after that, a stop waits for accepted events to be stored. */
  readonly settleMs: number;
  /** Of a poll sensor whose row does not say. */
  readonly pollIntervalMs: number;
  readonly pollTimeoutMs: number;
  /** Events of one sensor that are accepted and not yet stored; beyond either, its pipe is not read. */
  readonly eventsInFlightMax: number;
  readonly bytesInFlightMax: number;
  readonly lineBytesMax: number;
  /** What one run of a poll sensor may print. */
  readonly pollOutputBytesMax: number;
  readonly logBytesMax: number;
  /** Rotated logs kept beside the one written to. */
  readonly logFilesMax: number;
}

/** For those that are not in the configuration. */
export const fixedSensorLimits = {
  eventsInFlightMax: 1_000,
  bytesInFlightMax: 4 * 1024 * 1024,
  lineBytesMax: 1024 * 1024,
  pollOutputBytesMax: 16 * 1024 * 1024,
} as const;

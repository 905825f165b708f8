/** The bounds within which sensors run; docs/sensors.md explains them. */
import type { Config } from "../config/schema.ts";
import type { RestartLimits } from "../model/sensors/restart-policy.ts";

export interface SensorLimits {
  readonly restart: RestartLimits;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** How long a stop then waits for accepted events to be stored. */
  readonly settleMs: number;
  /** For poll sensors whose row sets none. */
  readonly pollIntervalMs: number;
  readonly pollTimeoutMs: number;
  /** Events of one sensor that are accepted but not yet stored. At either limit, its pipe is not read. */
  readonly eventsInFlightMax: number;
  readonly bytesInFlightMax: number;
  /** The text of one event. */
  readonly lineBytesMax: number;
  /** The output of one run of a poll sensor. */
  readonly pollOutputBytesMax: number;
  readonly pollEventsMax: number;
  readonly tokenTtlSeconds: number;
  /** How long a standalone sensor may have no way to hear of rule changes. */
  readonly deafAfterMs: number;
  readonly logBytesMax: number;
  /** How many rotated logs are kept. */
  readonly logFilesMax: number;
}

/** Limits that are not configurable. */
export const fixedSensorLimits = {
  bytesInFlightMax: 4 * 1024 * 1024,
} as const;

/** The configured limits; `settleMs` is the service's own. */
export function sensorLimits(
  { sensor, events }: Pick<Config, "sensor" | "events">,
  settleMs: number,
): SensorLimits {
  return {
    ...fixedSensorLimits,
    restart: {
      isRestartEnabled: sensor.restart_on_error,
      delayMsFirst: sensor.restart_delay * 1_000,
      delayMsMax: sensor.restart_delay_max * 1_000,
      restartsMax: sensor.max_restart_attempts,
      stableAfterMs: sensor.stable_after * 1_000,
    },
    graceMs: sensor.shutdown_timeout * 1_000,
    settleMs,
    pollIntervalMs: sensor.poll_interval * 1_000,
    pollTimeoutMs: sensor.sensor_timeout * 1_000,
    eventsInFlightMax: events.in_flight,
    lineBytesMax: sensor.line_bytes_max,
    pollOutputBytesMax: sensor.poll_bytes_max,
    pollEventsMax: sensor.poll_events_max,
    tokenTtlSeconds: sensor.token_ttl,
    deafAfterMs: sensor.deaf_after * 1_000,
    logBytesMax: sensor.log_bytes,
    logFilesMax: sensor.log_files,
  };
}

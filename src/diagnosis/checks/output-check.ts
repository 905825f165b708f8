/**
 * Finds running sensors whose output contains no event. No table records that, so the local agent is asked for
 * its metrics. Sensors that have printed nothing are in a table, but only one process can open an embedded
 * database.
 */
import type { Config } from "../../config/schema.ts";
import { counted } from "../../model/texts/counted.ts";
import { linesRejectedName, sensorEventsName } from "../../telemetry/metrics.ts";
import { durationText } from "../../model/texts/duration-text.ts";
import { sensorSilentName } from "../../telemetry/gauges.ts";
import { notice, type Finding } from "../finding.ts";
import { seriesOf } from "../running-agent/metric-series.ts";
import { silentRemedy, silentSecondsMin } from "./sensor-finding.ts";

export function checkOutput(config: Config, metrics: string): readonly Finding[] {
  const silent = config.database.url === undefined ? silentFindings(metrics) : [];
  return [...rejectedFindings(metrics, config), ...silent];
}

function silentFindings(metrics: string): readonly Finding[] {
  const silent = seriesOf(metrics, sensorSilentName, "gauge", "sensor_ref") ?? new Map<string, number>();
  return [...silent]
    .filter(([, seconds]) => seconds >= silentSecondsMin)
    .map(([sensorRef, seconds]) =>
      notice(`output of ${sensorRef}`, `nothing printed since it started ${durationText(seconds)} ago`, {
        remedy: silentRemedy,
        facts: { sensor: sensorRef, silent_seconds: Math.round(seconds) },
      }),
    );
}

function rejectedFindings(metrics: string, config: Config): readonly Finding[] {
  const understood = seriesOf(metrics, sensorEventsName, "counter", "sensor_ref");
  // That agent has no such metric, or has so many sensors that it counts some together as "other".
  if (understood === undefined || understood.has("other")) return [];
  const rejected = seriesOf(metrics, linesRejectedName, "counter", "sensor_ref") ?? new Map<string, number>();
  return [...rejected]
    .filter(([sensorRef]) => sensorRef !== "other" && !understood.has(sensorRef))
    .map(([sensorRef, count]) =>
      notice(`output of ${sensorRef}`, `${rejectedText(count)} and none accepted since the agent started`, {
        remedy: `search its log in ${config.logs_dir} for "not an event" to see why`,
        facts: { sensor: sensorRef, rejected: count },
      }),
    );
}

function rejectedText(count: number): string {
  return `${counted(count, "line")} rejected`;
}

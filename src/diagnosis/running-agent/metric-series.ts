/** Reads one metric family from an agent's metrics. */
import type { MetricDescription } from "../../telemetry/metric-registry.ts";

/** Label value → number; undefined if the agent has no such metric. */
export function seriesOf(
  exposition: string,
  name: string,
  type: MetricDescription["type"],
  label: string,
): ReadonlyMap<string, number> | undefined {
  if (!new RegExp(`^# TYPE attune_sensor_agent_${name} ${type}$`, "m").test(exposition)) return undefined;
  const series = new RegExp(
    String.raw`^attune_sensor_agent_${name}\{${label}="((?:[^"\\]|\\.)*)"\} ([\d.]+)$`,
    "gm",
  );
  return new Map(
    [...exposition.matchAll(series)].map(([, value = "", number]) => [unescaped(value), Number(number)]),
  );
}

function unescaped(label: string): string {
  return label.replaceAll(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character));
}

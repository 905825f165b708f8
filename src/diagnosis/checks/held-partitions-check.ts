/** Partitions that are kept because the database's clock is doubted. Only the agent that keeps them knows, so the local one is asked. */
import { counted } from "../../model/texts/counted.ts";
import { partitionsHeldName } from "../../telemetry/gauges.ts";
import { wrong, type Finding } from "../finding.ts";
import { seriesOf } from "../running-agent/metric-series.ts";

export function checkHeldPartitions(metrics: string): readonly Finding[] {
  const held = seriesOf(metrics, partitionsHeldName, "gauge", "table") ?? new Map<string, number>();
  return [...held]
    .filter(([, count]) => count > 0)
    .map(([table, count]) =>
      wrong(
        `retention of ${table}`,
        `${counted(count, "partition")} would be dropped, but the database's clock has leapt ahead`,
        {
          remedy:
            "set the clock of the database server right; if it is right now, restart the agents to drop old rows before a day has passed",
          facts: { table, count },
        },
      ),
    );
}

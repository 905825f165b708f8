/** Partitions that are kept because the database's clock is doubted. Only the agent that keeps them knows, so the local one is asked. */
import type { Config } from "../../config/schema.ts";
import { counted } from "../../model/texts/counted.ts";
import { partitionsHeldName } from "../../telemetry/gauges.ts";
import { wrong, type Finding } from "../finding.ts";
import { askableListeners, askAgent } from "../running-agent/ask-agent.ts";
import { seriesOf } from "../running-agent/metric-series.ts";

const metricsBytesMax = 16 * 1024 * 1024;

export async function checkHeldPartitions(config: Config): Promise<readonly Finding[]> {
  const answer = await askAgent(askableListeners(config)[0], "/metrics", metricsBytesMax);
  if (answer.kind !== "answered" || !answer.isOk) return [];
  const held = seriesOf(answer.body, partitionsHeldName, "gauge", "table") ?? new Map<string, number>();
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

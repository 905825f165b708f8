/** Watched places whose changes the kernel does not report. Only the agent that watches them knows, so the local agent is asked. */
import type { Config } from "../../config/schema.ts";
import { filePlacesPolledName } from "../../telemetry/gauges.ts";
import { notice, type Finding } from "../finding.ts";
import { askableListeners, askAgent } from "../running-agent/ask-agent.ts";
import { seriesOf } from "../running-agent/metric-series.ts";

const metricsBytesMax = 16 * 1024 * 1024;

const causes: Readonly<Record<string, { readonly why: string; readonly remedy: string | null }>> = {
  remote: { why: "its file system reports no changes of other machines", remedy: null },
  limit: {
    why: "the kernel has no more watches for this user",
    remedy: "raise the sysctl that the sensor's log names: attune-sensor-agent sensors logs core.files",
  },
};

export async function checkFiles(config: Config): Promise<readonly Finding[]> {
  const answer = await askAgent(askableListeners(config)[0], "/metrics", metricsBytesMax);
  if (answer.kind !== "answered" || !answer.isOk) return [];
  const polled = seriesOf(answer.body, filePlacesPolledName, "gauge", "cause") ?? new Map<string, number>();
  return [...polled]
    .filter(([, count]) => count > 0)
    .map(([cause, count]) => {
      const { why, remedy } = causes[cause] ?? { why: cause, remedy: null };
      const places = count === 1 ? "one watched place is" : `${count} watched places are`;
      return notice("files", `${places} polled instead of watched: ${why}`, {
        remedy,
        facts: { cause, count },
      });
    });
}

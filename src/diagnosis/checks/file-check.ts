/** Watched places whose changes the kernel does not report. Only the agent that watches them knows, so the local agent is asked. */
import { filePlacesPolledName } from "../../telemetry/gauges.ts";
import { notice, type Finding } from "../finding.ts";
import { seriesOf } from "../running-agent/metric-series.ts";

const causes: Readonly<Record<string, { readonly why: string; readonly remedy: string | null }>> = {
  remote: { why: "its file system reports no changes of other machines", remedy: null },
  limit: {
    why: "the kernel has no more watches for this user",
    remedy: "raise the sysctl that the sensor's log names: attune-sensor-agent sensors logs core.files",
  },
};

export function checkFiles(metrics: string): readonly Finding[] {
  const polled = seriesOf(metrics, filePlacesPolledName, "gauge", "cause") ?? new Map<string, number>();
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

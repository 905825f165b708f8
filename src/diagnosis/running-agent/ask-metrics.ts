import type { Listener } from "../../config/listeners.ts";
import { askAgent } from "./ask-agent.ts";

/** A worker with a thousand sensors exposes one megabyte. */
const metricsBytesMax = 16 * 1024 * 1024;

/** An agent's metrics in the text format of Prometheus; empty if none answers. */
export async function askMetrics(listener: Listener | undefined): Promise<string> {
  const answer = await askAgent(listener, "/metrics", metricsBytesMax);
  return answer.kind === "answered" && answer.isOk ? answer.body : "";
}

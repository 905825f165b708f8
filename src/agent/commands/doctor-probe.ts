/**
 * A health check for images without a shell or HTTP client: the executable itself queries the agent that
 * runs beside it over HTTP.
 */
import { askableListeners } from "../../diagnosis/running-agent/ask-agent.ts";
import { askHealth } from "../../diagnosis/running-agent/ask-health.ts";
import { loadConfiguration } from "../load-configuration.ts";
import type { ExitCode, Invocation } from "../invocation.ts";

/** live: does it need no restart? ready: can it do its work? Same as the paths below /health. */
export type Probe = "live" | "ready";

export async function probeAgent(
  invocation: Pick<Invocation, "configPath" | "workerName" | "environment" | "print" | "complain">,
  probe: Probe,
): Promise<ExitCode> {
  const [listener] = askableListeners(loadConfiguration(invocation).config);
  const answer = await askHealth(listener, `/health/${probe}`);
  switch (answer.kind) {
    case "unaskable":
      invocation.complain(
        "the agent has no known listener: set api.enabled, and api.port to a port other than 0; or metrics.port\n",
      );
      return 1;
    case "silent":
      invocation.complain(`no agent answers at ${answer.url}: ${answer.reason}\n`);
      return 1;
    case "foreign":
      invocation.complain(
        `what answers at ${answer.url} is not the agent (${answer.description}): set ${listener?.section ?? "api"}.port to the agent's, or end what has taken it\n`,
      );
      return 1;
    case "agent":
      invocation.print(`${JSON.stringify(answer.health)}\n`);
      return answer.isOk ? 0 : 1;
  }
}

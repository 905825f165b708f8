/**
 * Findings while the embedded database is in use. A second process cannot open it, so the running agent is
 * asked.
 */
import type { Config } from "../../config/schema.ts";
import type { OperatorError } from "../../errors/operator-error.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import type { HealthAnswer } from "../running-agent/ask-health.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";

export function checkRunningAgent(
  config: Config,
  inUse: OperatorError,
  health: HealthAnswer,
): readonly Finding[] {
  return [
    notice("database", `embedded in ${config.data_dir}; ${inUse.reason}, and only one can`, {
      remedy:
        "stop that process and ask again to have migrations, workers, runtimes, sensors, rules, messages and pack files checked; " +
        `its own log, and those of the sensors in ${config.logs_dir}, tell what failed`,
      facts: { code: inUse.code },
    }),
    ...agentFindings(health),
  ];
}

function agentFindings(health: HealthAnswer): readonly Finding[] {
  switch (health.kind) {
    case "unaskable":
      return [
        notice("agent", "cannot be asked for its health", {
          remedy: "set api.enabled, and api.port to a port other than 0; or metrics.port",
        }),
      ];
    case "silent":
      return [
        wrong("agent", `does not answer at ${health.url}: ${health.reason}`, {
          remedy: "look whether that process is an agent with this configuration, and at its log",
        }),
      ];
    case "foreign":
      return []; // The listener check reports it.
    case "agent": {
      const { url, health: answer } = health;
      const facts = { health: answer };
      const parts = Object.entries(isJsonObject(answer["parts"]) ? answer["parts"] : {}).map(partText);
      if (answer["status"] === "ok") {
        return [good("agent", `runs and is well, by ${url}`, { facts, lines: parts })];
      }
      return [wrong("agent", `runs and is not well, by ${url}`, { facts, lines: parts })];
    }
  }
}

function partText([name, part]: [string, JsonValue]): string {
  const { state = null, detail = null } = isJsonObject(part) ? part : {};
  return [name, state, detail].filter((word) => typeof word === "string").join(" ");
}

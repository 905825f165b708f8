/**
 * What can be said while the embedded database is in use: a second process cannot look into it, so the
 * one that can is asked.
 */
import type { Config } from "../../config/schema.ts";
import type { OperatorError } from "../../errors/operator-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.ts";
import { askAgent } from "../ask-agent.ts";
import { good, notice, wrong, type Finding } from "./finding.ts";

export async function checkRunningAgent(config: Config, inUse: OperatorError): Promise<readonly Finding[]> {
  return [
    notice("database", `embedded in ${config.data_dir}; ${inUse.reason}, and only one can`, {
      remedy:
        "stop that process and ask again to have migrations, workers, runtimes, sensors, rules, messages and pack files checked; " +
        `its own log, and those of the sensors in ${config.logs_dir}, tell what failed`,
      facts: { code: inUse.code },
    }),
    await agentFinding(config),
  ];
}

async function agentFinding(config: Config): Promise<Finding> {
  const answer = await askAgent(config, "/health");
  switch (answer.kind) {
    case "unaskable":
      return notice("agent", "cannot be asked for its health", {
        remedy: "set api.enabled, and api.port to a port other than 0",
      });
    case "silent":
      return wrong("agent", `does not answer at ${answer.url}: ${answer.reason}`, {
        remedy: "look whether that process is an agent with this configuration, and at its log",
      });
    case "answered": {
      const health = healthIn(answer.body);
      if (health === undefined) return wrong("agent", `${answer.url} does not answer as an agent does`);
      const facts = { health };
      const parts = Object.entries(isJsonObject(health["parts"]) ? health["parts"] : {}).map(partText);
      if (health["status"] === "ok") {
        return good("agent", `runs and is well, by ${answer.url}`, { facts, lines: parts });
      }
      return wrong("agent", `runs and is not well, by ${answer.url}`, { facts, lines: parts });
    }
  }
}

function healthIn(body: string): JsonObject | undefined {
  try {
    const health: unknown = JSON.parse(body);
    return isJsonObject(health) && typeof health["status"] === "string" ? health : undefined;
  } catch {
    return undefined;
  }
}

function partText([name, part]: [string, JsonValue]): string {
  const { state = null, detail = null } = isJsonObject(part) ? part : {};
  return [name, state, detail].filter((word) => typeof word === "string").join(" ");
}

/**
 * Findings while the embedded database is in use. A second process cannot open it, so the running agent
 * examines it.
 */
import type { Config } from "../../config/schema.ts";
import type { OperatorError } from "../../errors/operator-error.ts";
import { messageOf } from "../../errors/caught.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import type { HealthAnswer } from "../running-agent/ask-health.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";

/**
 * What the agent that holds the embedded database finds in it.
 *
 * @returns undefined if the agent has left no address to ask
 */
export type AskForFindings = () => Promise<readonly Finding[] | undefined>;

export async function checkRunningAgent(
  config: Config,
  inUse: OperatorError,
  health: HealthAnswer,
  askForFindings: AskForFindings,
): Promise<readonly Finding[]> {
  const holder = `embedded in ${config.data_dir}; ${inUse.reason}`;
  const facts = { code: inUse.code };
  const unexamined = (lines: readonly string[]): readonly Finding[] => [
    notice("database", `${holder}, and only one process can`, {
      remedy:
        "to check migrations, workers, runtimes, sensors, rules, messages and pack files, stop that process and run doctor again; " +
        `failures are in its log and in the sensor logs in ${config.logs_dir}`,
      lines,
      facts,
    }),
    ...agentFindings(health),
  ];
  try {
    const findings = await askForFindings();
    if (findings === undefined) return unexamined([]);
    return [
      good("database", `${holder} and has examined it`, { facts }),
      ...agentFindings(health),
      ...findings.filter(({ subject, state }) => subject !== "database" || state !== "good"),
    ];
  } catch (error) {
    return unexamined([messageOf(error)]);
  }
}

function agentFindings(health: HealthAnswer): readonly Finding[] {
  switch (health.kind) {
    case "unaskable":
      return [
        notice("agent", "its health cannot be queried", {
          remedy: "set api.enabled and a fixed api.port, or set metrics.port",
        }),
      ];
    case "silent":
      return [
        wrong("agent", `does not answer at ${health.url}: ${health.reason}`, {
          remedy: "check that the process is an agent with this configuration, and read its log",
        }),
      ];
    case "foreign":
      return []; // The listener check reports it.
    case "agent": {
      const { url, health: answer } = health;
      const facts = { health: answer };
      const parts = Object.entries(isJsonObject(answer["parts"]) ? answer["parts"] : {}).map(partText);
      if (answer["status"] === "ok") {
        return [good("agent", `is healthy according to ${url}`, { facts, lines: parts })];
      }
      return [wrong("agent", `is running but not healthy according to ${url}`, { facts, lines: parts })];
    }
  }
}

function partText([name, part]: [string, JsonValue]): string {
  const { state = null, detail = null } = isJsonObject(part) ? part : {};
  return [name, state, detail].filter((word) => typeof word === "string").join(" ");
}

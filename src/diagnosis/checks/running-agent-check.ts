/**
 * Findings while the embedded database is in use. A second process cannot open it, so the running agent
 * examines it.
 */
import type { Config } from "../../config/schema.ts";
import type { OperatorError } from "../../errors/operator-error.ts";
import { messageOf } from "../../errors/caught.ts";
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
    ...unaskedFindings(health),
  ];
  try {
    const findings = await askForFindings();
    if (findings === undefined) return unexamined([]);
    return [
      good("database", `${holder} and has examined it`, { facts }),
      ...unaskedFindings(health),
      ...findings.filter(({ subject, state }) => subject !== "database" || state !== "good"),
    ];
  } catch (error) {
    return unexamined([messageOf(error)]);
  }
}

function unaskedFindings(health: HealthAnswer): readonly Finding[] {
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
    // The listener check reports the one, the health check the other.
    case "foreign":
    case "agent":
      return [];
  }
}

/**
 * The health of the agent with this configuration, as it reports it: the agent may be cut off from what doctor reaches,
 * and only a connection that publishes learns that the broker accepts no messages.
 */
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";
import type { HealthAnswer } from "../running-agent/ask-health.ts";

export function checkHealth(answer: HealthAnswer): readonly Finding[] {
  if (answer.kind !== "agent") return [];
  const { url, health } = answer;
  const parts = Object.entries(isJsonObject(health["parts"]) ? health["parts"] : {});
  const more = { facts: { health }, lines: parts.map(partText) };
  if (health["status"] === "ok") return [good("agent", `is healthy according to ${url}`, more)];
  // What degrades a part is judged by the other checks. An agent without parts is stopping, or failed to answer.
  return parts.length === 0 || parts.some(([, part]) => isDown(part))
    ? [wrong("agent", `is running but not healthy according to ${url}`, more)]
    : [notice("agent", `works, but not in every part, according to ${url}`, more)];
}

function isDown(part: JsonValue): boolean {
  return isJsonObject(part) && part["state"] === "down";
}

function partText([name, part]: [string, JsonValue]): string {
  const { state = null, detail = null } = isJsonObject(part) ? part : {};
  return [name, state, detail].filter((word) => typeof word === "string").join(" ");
}

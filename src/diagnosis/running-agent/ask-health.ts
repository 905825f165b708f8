/** Queries the local agent's health, and distinguishes an agent's answer from any other program's. */
import type { Listener } from "../../config/listeners.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { askAgent, type AgentAnswer } from "./ask-agent.ts";

/** An agent's health page has one or two thousand bytes. The limit also bounds a hostile answer. */
const answerBytesMax = 128 * 1024;

export type HealthQuestion = "/health" | "/health/live" | "/health/ready";

export type HealthAnswer =
  | Exclude<AgentAnswer, { readonly kind: "answered" }>
  | { readonly kind: "agent"; readonly url: string; readonly isOk: boolean; readonly health: JsonObject }
  /** Another program holds the port. */
  | { readonly kind: "foreign"; readonly url: string; readonly description: string };

/** @param listener undefined if no listener has a fixed port */
export async function askHealth(
  listener: Listener | undefined,
  question: HealthQuestion,
): Promise<HealthAnswer> {
  const answer = await askAgent(listener, question, answerBytesMax);
  if (answer.kind !== "answered") return answer;
  const { url, status, contentType, isOk, body } = answer;
  const said = parsed(body);
  if (said !== undefined && (isHealth(question, said) || (status >= 500 && isError(said))))
    return { kind: "agent", url, isOk, health: said };
  return { kind: "foreign", url, description: `status ${status}, ${contentType ?? "no content type"}` };
}

/** Many programs answer `{"status": "ok"}`; only an agent adds its worker name or parts. */
function isHealth(question: HealthQuestion, { status, worker, parts }: JsonObject): boolean {
  if (!statuses[question].includes(status)) return false;
  return question === "/health/live" ? typeof worker === "string" : isJsonObject(parts);
}

const statuses: Readonly<Record<HealthQuestion, readonly unknown[]>> = {
  "/health": ["ok", "degraded"],
  "/health/live": ["ok"],
  "/health/ready": ["ready", "degraded", "not ready"],
};

/** The answer of an agent that is stopping or failed to answer. */
function isError({ error, code }: JsonObject): boolean {
  return typeof error === "string" && typeof code === "string";
}

function parsed(body: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Asks the agent on this machine how it is, and tells an agent's answer from that of any other program. */
import type { Listener } from "../../config/listeners.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { askAgent, type AgentAnswer } from "./ask-agent.ts";

/** A page of the agent's parts is one or two thousand. Also what keeps reading a hostile answer short. */
const answerBytesMax = 128 * 1024;

export type HealthQuestion = "/health" | "/health/live" | "/health/ready";

export type HealthAnswer =
  | Exclude<AgentAnswer, { readonly kind: "answered" }>
  | { readonly kind: "agent"; readonly url: string; readonly isOk: boolean; readonly health: JsonObject }
  /** Something else has that port. */
  | { readonly kind: "foreign"; readonly url: string; readonly description: string };

/** @param listener undefined: none of the agent's can be asked */
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

/** Many programs answer `{"status": "ok"}`; the worker's name and the parts are an agent's own. */
function isHealth(question: HealthQuestion, { status, worker, parts }: JsonObject): boolean {
  if (!statuses[question].includes(status)) return false;
  return question === "/health/live" ? typeof worker === "string" : isJsonObject(parts);
}

const statuses: Readonly<Record<HealthQuestion, readonly unknown[]>> = {
  "/health": ["ok", "degraded"],
  "/health/live": ["ok"],
  "/health/ready": ["ready", "degraded", "not ready"],
};

/** As an agent answers that is ending, or has failed at this. */
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

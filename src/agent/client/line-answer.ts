/** Answers of the API that come line by line while it works; see api/line-stream.ts. */
import { OperatorError } from "../../errors/operator-error.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import type { ApiClient, ApiRequest } from "./api-client.ts";

/**
 * Each line of the answer; the last one has `done`.
 *
 * @throws OperatorError API_REFUSED if the work fails, and API_UNREACHABLE if the answer ends before it is done
 */
export async function* linesOf(
  client: ApiClient,
  request: ApiRequest,
): AsyncGenerator<JsonObject, void, void> {
  const { attempt } = request;
  let rest = "";
  for await (const text of client.follow(request, new AbortController().signal)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const value = line === "" ? null : parseJson(line);
      if (!isJsonObject(value)) continue;
      if (typeof value["error"] === "string") throw failed(attempt, value["error"]);
      yield value;
      if ("done" in value) return;
    }
  }
  throw new OperatorError({
    code: "API_UNREACHABLE",
    attempt,
    reason: "the answer ended before the work was done: the agent stopped, or the token expired",
    remedy: "try again; the agent's log has more",
  });
}

function failed(attempt: string, error: string): OperatorError {
  return new OperatorError({
    code: "API_REFUSED",
    attempt,
    reason: error.replace(/\.$/, ""),
    remedy: "the agent's log has more",
  });
}

/** Commands on the platform's resources, carried out by the API of a running agent. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiClient, type ApiRequest } from "../client/api-client.ts";
import { apiConnection } from "../client/api-connection.ts";
import { entryText, listText, type OutputFormat } from "../client/output.ts";
import type { Action, ResourceCommands } from "../client/resources.ts";
import { failureText } from "../failure-text.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";

export interface ClientInvocation extends Pick<
  Invocation,
  "configPath" | "workerName" | "environment" | "print" | "complain"
> {
  /** Like `print`, for text that may steer a terminal. */
  readonly printUnchanged: (text: string) => void;
  /** Whether anybody still reads what is printed; else a command without an end ends. */
  readonly hasReader: () => boolean;
  /** `--api`. */
  readonly apiUrl: string | undefined;
  readonly output: OutputFormat;
  /** Repeat until interrupted. */
  readonly isWatched: boolean;
  readonly isTerminal: boolean;
}

export interface ListRequest {
  /** Undefined: all, or of a log the newest. */
  readonly limit: number | undefined;
  readonly query: Readonly<Record<string, string>>;
}

const watchIntervalMs = 2_000;
const logEntriesDefault = 20;
const clearScreen = "\u001b[H\u001b[2J";

export function clientOf(invocation: ClientInvocation): ApiClient {
  return new ApiClient(apiConnection(invocation, invocation.apiUrl));
}

/** With `--watch` until interrupted, also past failures: an agent that is restarted is asked again, where it is then. */
export async function listResources(
  invocation: ClientInvocation,
  resource: ResourceCommands,
  list: ListRequest,
): Promise<ExitCode> {
  const { printUnchanged, print, complain, hasReader, isWatched, isTerminal } = invocation;
  let told: string | undefined;
  for (let isFirst = true; ; isFirst = false) {
    if (!isFirst) await sleep(watchIntervalMs);
    const answer = await readList(invocation, resource, list).catch((error: unknown) => {
      if (isFirst || !(error instanceof OperatorError)) throw error;
      return error;
    });
    if (typeof answer === "string") {
      if (isWatched && isTerminal) printUnchanged(clearScreen);
      print(answer);
      told = undefined;
    } else if (answer.message !== told) {
      complain(`attune-sensor-agent: ${failureText(answer)}\n`);
      told = answer.message;
    }
    if (!isWatched || !hasReader()) return 0;
  }
}

async function readList(
  invocation: ClientInvocation,
  { plural, columns, isLog }: ResourceCommands,
  { limit, query }: ListRequest,
): Promise<string> {
  const request = { path: `/api/v1/${plural}`, query, attempt: `list ${plural}` };
  const countMax = limit ?? (isLog ? logEntriesDefault : Number.POSITIVE_INFINITY);
  const entries = await Array.fromAsync(clientOf(invocation).list(request, countMax));
  return listText(entries, columns, invocation.output);
}

export async function showResource(
  invocation: ClientInvocation,
  resource: ResourceCommands,
  name: string,
): Promise<ExitCode> {
  const path = pathOf(resource, name);
  const { data } = await clientOf(invocation).ask({ path, attempt: `show the ${resource.singular} ${name}` });
  invocation.print(entryText(isJsonObject(data) ? data : {}, invocation.output));
  return 0;
}

/**
 * On each in turn. One that the API refuses is reported and keeps none of the others from being changed, so that repeating
 * the command with the corrected name is enough.
 *
 * @returns 1 if any was refused
 * @throws OperatorError API_UNREACHABLE, after what became of each was printed
 */
export async function actOnResources(
  invocation: ClientInvocation,
  resource: ResourceCommands,
  { name: action }: Action,
  names: readonly string[],
): Promise<ExitCode> {
  const { print, complain, output } = invocation;
  const client = clientOf(invocation);
  const outcomes: JsonObject[] = [];
  const left = [...new Set(names)];
  let unreachable: OperatorError | undefined;
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    try {
      const { data } = await client.ask(actionRequest(resource, action, name));
      if (output === "table") print(`${resource.singular} ${name}: ${outcomeText(action, data)}\n`);
      outcomes.push({ [resource.singular]: name, done: action });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      outcomes.push({ [resource.singular]: name, failed: action, reason: error.reason });
      if (error.code === "API_UNREACHABLE") {
        unreachable = error;
        break;
      }
      complain(`attune-sensor-agent: ${failureText(error)}\n`);
    }
  }
  for (const name of left)
    outcomes.push({ [resource.singular]: name, failed: action, reason: "not attempted" });
  if (output !== "table") print(listText(outcomes, [], output));
  if (left.length > 0) complain(`not attempted: ${action} ${resource.plural} ${left.join(", ")}\n`);
  if (unreachable !== undefined) throw unreachable;
  return outcomes.some(({ failed }) => failed !== undefined) ? 1 : 0;
}

const past: Readonly<Record<Action["name"], string>> = {
  enable: "enabled",
  disable: "disabled",
  restart: "restarted",
  delete: "deleted",
};

/** A restarted process may have failed again already. */
function outcomeText(action: Action["name"], data: JsonValue | undefined): string {
  if (action !== "restart" || !isJsonObject(data)) return past[action];
  const { restarted, state } = data;
  if (restarted === false) return "its former process is still being stopped; it is started after that";
  return typeof state === "string" ? `${past.restart}, now ${state}` : past.restart;
}

function actionRequest(resource: ResourceCommands, action: Action["name"], name: string): ApiRequest {
  const path = pathOf(resource, name);
  const attempt = `${action} the ${resource.singular} ${name}`;
  return action === "delete"
    ? { method: "DELETE", path, attempt }
    : { method: "POST", path: `${path}/${action}`, attempt };
}

function pathOf({ plural }: ResourceCommands, name: string): string {
  return `/api/v1/${plural}/${encodeURIComponent(name)}`;
}

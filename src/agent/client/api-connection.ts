/**
 * Which agent a command talks to, in this order:
 *
 * - `--api` or ATTUNE_API_URL, with the token in ATTUNE_API_TOKEN;
 * - the agent of this machine with the same configuration, which keeps its address and a token in its data directory.
 */
import { readFileSync } from "node:fs";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { localAccessPath } from "../../files/local-access.ts";
import { fateOf } from "../../files/process-mark.ts";
import { decodeJson } from "../../model/json/json-text.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { loadConfiguration } from "../load-configuration.ts";
import type { Invocation } from "../invocation.ts";

export interface ApiConnection {
  readonly url: string;
  readonly token: string;
  /** Where the two come from, for errors. */
  readonly origin: string;
  /** PEM: the only certificate that the API may have, whatever name it is for. Undefined: any that Node trusts for the URL's host. */
  readonly certificate?: string;
}

/**
 * Whether an API is named that commands are to use. An agent's own environment may name its API in ATTUNE_API_URL as well,
 * without a token.
 *
 * @param url of `--api`; undefined: not given
 */
export function isApiNamed(
  { ATTUNE_API_URL: named = "", ATTUNE_API_TOKEN: token = "" }: NodeJS.ProcessEnv,
  url: string | undefined,
): boolean {
  return url !== undefined || (named !== "" && token !== "");
}

/**
 * @param url of `--api`; undefined: not given
 * @throws OperatorError API_UNREACHABLE if neither exists
 */
export function apiConnection(
  invocation: Pick<Invocation, "configPath" | "workerName" | "environment">,
  url: string | undefined,
): ApiConnection {
  const { environment } = invocation;
  if (!isApiNamed(environment, url)) return localConnection(invocation);
  const { ATTUNE_API_URL: named = "", ATTUNE_API_TOKEN: token = "" } = environment;
  const chosen = url ?? named;
  const origin = url === undefined ? "ATTUNE_API_URL" : "--api";
  if (!/^https?:\/\/./.test(chosen))
    throw unusable(`${origin} is ${chosen}, which is not an http or https URL`, `correct ${origin}`);
  if (token === "") {
    throw unusable(
      `${origin} names the API at ${chosen}, and ATTUNE_API_TOKEN has no token for it`,
      'set ATTUNE_API_TOKEN to a token, for example from "attune-sensor-agent token create"',
    );
  }
  return { url: chosen, token, origin: `${origin} and ATTUNE_API_TOKEN` };
}

/** The agent of this machine; undefined if none with this configuration has left its address. */
export function localConnectionIfAny(dataDirectory: string): ApiConnection | undefined {
  const path = localAccessPath(dataDirectory);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw unusable(
      `the address of this machine's agent cannot be read: ${messageOf(error)}`,
      "run the command as the user of the agent, or set --api and ATTUNE_API_TOKEN",
    );
  }
  const decoded = decodeJson(text);
  const access = decoded.kind === "valid" && isJsonObject(decoded.value) ? decoded.value : {};
  const { url, token, certificate, process: mark } = access;
  if (typeof url !== "string" || typeof token !== "string" || !isFromRunningAgent(mark)) return undefined;
  return { url, token, origin: path, ...pinned(certificate) };
}

/** The agent's own certificate need not name this machine's loopback address, nor be signed by an authority that is known here. */
function pinned(certificate: JsonValue | undefined): Pick<ApiConnection, "certificate"> {
  if (typeof certificate !== "string") return {};
  try {
    return { certificate: readFileSync(certificate, "utf8") };
  } catch {
    // Then only a certificate that Node trusts will do.
    return {};
  }
}

/** Another program may listen on the port of an agent that was killed. */
function isFromRunningAgent(mark: JsonValue | undefined): boolean {
  if (!isJsonObject(mark)) return false;
  const { pid, startedAt, place } = mark;
  if (typeof pid !== "number" || typeof startedAt !== "string" || typeof place !== "string") return false;
  return fateOf({ pid, startedAt, place }) === "running";
}

function localConnection(
  invocation: Pick<Invocation, "configPath" | "workerName" | "environment">,
): ApiConnection {
  const { data_dir } = loadConfiguration(invocation).config;
  const found = localConnectionIfAny(data_dir);
  if (found !== undefined) return found;
  const { ATTUNE_API_URL: named = "" } = invocation.environment;
  const other =
    named === ""
      ? ""
      : `, and ATTUNE_API_TOKEN has no token for the API that ATTUNE_API_URL names (${named})`;
  throw unusable(
    `no agent with this configuration runs on this machine (there is no ${localAccessPath(data_dir)}, or its agent was killed)${other}`,
    "start it, name its configuration with --config, or set --api and ATTUNE_API_TOKEN for another one",
  );
}

function unusable(reason: string, remedy: string): OperatorError {
  return new OperatorError({ code: "API_UNREACHABLE", attempt: "find the agent's API", reason, remedy });
}

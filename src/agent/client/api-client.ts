/** Requests to a running agent's API, as the commands of this program make them. */
import { Readable } from "node:stream";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import type { ApiConnection } from "./api-connection.ts";

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
  /** Below the API's address, such as `/api/v1/sensors`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: JsonValue;
  /** What the command does, such as "list sensors", for its errors. */
  readonly attempt: string;
  /** The failure to report for these problems of the request; undefined for the usual one. */
  readonly failureFor?: (problems: readonly RequestProblem[]) => OperatorError | undefined;
}

export interface RequestProblem {
  readonly parameter: string;
  /** A clause that follows the parameter. */
  readonly problem: string;
}

/** The API holds a request for a few seconds while its database is unreachable. */
const answerMsMax = 60_000;

export class ApiClient {
  readonly #connection: ApiConnection;

  constructor(connection: ApiConnection) {
    this.#connection = connection;
  }

  /** @throws OperatorError API_UNREACHABLE or API_REFUSED */
  async ask(request: ApiRequest): Promise<JsonObject> {
    const response = await this.#fetch(request, AbortSignal.timeout(answerMsMax));
    const body = await this.#read(request, response);
    if (response.ok && isJsonObject(body)) return body;
    throw this.#refusal(request, response.status, body);
  }

  /** Every entry of a list, page by page, at most `countMax`. */
  async *list(request: ApiRequest, countMax: number): AsyncGenerator<JsonObject> {
    let count = 0;
    let after: string | undefined;
    for (let page = 1; count < countMax; page++) {
      // Another platform's API may have no cursors.
      const place = after === undefined ? { page: String(page) } : { after };
      const query = { ...request.query, ...place, page_size: String(Math.min(countMax, 100)) };
      const { items, pagination } = await this.ask({ ...request, query });
      if (!isJsonArray(items)) return;
      for (const item of items) {
        if (!isJsonObject(item) || count >= countMax) continue;
        count += 1;
        yield item;
      }
      if (!isJsonObject(pagination) || pagination["has_next"] !== true) return;
      after = typeof pagination["next"] === "string" ? pagination["next"] : undefined;
    }
  }

  /** The body of an answer that has no end, as text. */
  async *follow(request: ApiRequest, signal: AbortSignal): AsyncGenerator<string> {
    const response = await this.#fetch(request, signal);
    if (!response.ok) throw this.#refusal(request, response.status, await this.#read(request, response));
    if (response.body === null) return;
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body) yield decoder.decode(chunk, { stream: true });
    } catch (error) {
      if (!signal.aborted) throw this.#unreachable(request, error);
    }
  }

  async #fetch(
    { method = "GET", path, query = {}, body, attempt }: ApiRequest,
    signal: AbortSignal,
  ): Promise<Response> {
    const { url, token, certificate } = this.#connection;
    const target = new URL(url.replace(/\/+$/, "") + path);
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
    const sent = {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    };
    try {
      return certificate === undefined
        ? await fetch(target, sent)
        : await pinnedFetch(target, sent, certificate);
    } catch (error) {
      throw this.#unreachable({ attempt }, error);
    }
  }

  async #read(request: ApiRequest, response: Response): Promise<JsonValue> {
    try {
      const text = await response.text();
      return text === "" ? {} : parseJson(text);
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw this.#unreachable(request, error);
    }
  }

  #unreachable({ attempt }: Pick<ApiRequest, "attempt">, error: unknown): OperatorError {
    const { url, origin } = this.#connection;
    // fetch hides the reason in its cause.
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const failure = certificateFailure(cause) ?? {
      reason: messageOf(cause) || "it does not answer",
      remedy: `start the agent, or correct ${origin}`,
    };
    return new OperatorError({
      ...failure,
      code: "API_UNREACHABLE",
      attempt: `${attempt} through the API at ${url}`,
      cause: error,
    });
  }

  #refusal({ attempt, failureFor }: ApiRequest, status: number, body: JsonValue): OperatorError {
    const { url, origin } = this.#connection;
    const failure = isJsonObject(body) ? body : {};
    const { error, code, details } = failure;
    if (typeof error !== "string" || typeof code !== "string") {
      return new OperatorError({
        code: "API_UNREACHABLE",
        attempt: `${attempt} through the API at ${url}`,
        reason: `what answers there (status ${status}) is not the agent's API`,
        remedy: `correct ${origin}`,
      });
    }
    const problems = isJsonArray(details) ? details.flatMap(problemOf) : [];
    const own = problems.length > 0 ? failureFor?.(problems) : undefined;
    if (own !== undefined) return own;
    const told = problems.map(({ parameter, problem }) => `${parameter} ${problem}`);
    // A suggestion says better what to do than the status.
    const [said, meant] = suggestionIn(told.length === 1 ? (told[0] ?? "") : error);
    return new OperatorError({
      code: "API_REFUSED",
      attempt: `${attempt} through the API at ${url}`,
      reason: told.length === 0 ? `${withoutEnd(said)} (${code})` : told.length === 1 ? said : told,
      remedy: meant ?? remedyFor(status, origin),
    });
  }
}

const unknownIssuer = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

/** Node's own sentences about certificates advise programmers. */
function certificateFailure(cause: unknown): Pick<OperatorError, "reason" | "remedy"> | undefined {
  if (hasCode(cause, ...unknownIssuer)) {
    return {
      reason: "this machine does not know the authority that issued its certificate",
      remedy: "set NODE_EXTRA_CA_CERTS to a PEM file with the certificate of that authority",
    };
  }
  if (hasCode(cause, "ERR_TLS_CERT_ALTNAME_INVALID")) {
    return {
      reason: "its certificate is for another name",
      remedy: "set --api to a URL with a name in the certificate, and ATTUNE_API_TOKEN",
    };
  }
  return undefined;
}

function problemOf(detail: JsonValue): readonly RequestProblem[] {
  if (!isJsonObject(detail)) return [];
  const { parameter, problem } = detail;
  return typeof parameter === "string" && typeof problem === "string" ? [{ parameter, problem }] : [];
}

/** The rest of the text, and the suggestion at its end. */
function suggestionIn(text: string): readonly [string, string | undefined] {
  const [, said = text, meant] = /^(.*); (did you mean [^;]+\?)$/s.exec(text) ?? [];
  return [said, meant];
}

function withoutEnd(sentence: string): string {
  return sentence.replace(/\.$/, "");
}

function remedyFor(status: number, origin: string): string {
  switch (status) {
    case 401:
      return `take a token that is valid, for example from "attune-sensor-agent token create", and correct ${origin}`;
    case 403:
      return "ask with the token of an admin";
    case 404:
      return "correct the name or id; the list command shows what there is";
    case 409:
    case 412:
      return "look at its present state, then decide";
    case 429:
      return "try again when that is over";
    default:
      return status >= 500 ? "try again; the agent's log has more" : "correct the arguments";
  }
}

interface Sent {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Like `fetch`, which cannot be given a certificate to trust. */
async function pinnedFetch(target: URL, { body, ...options }: Sent, certificate: string): Promise<Response> {
  const { request } = await import("node:https");
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const trust = {
    ca: certificate,
    allowPartialTrustChain: true,
    checkServerIdentity: () => undefined,
    agent: false,
  } as const;
  const asked = request(target, { ...options, ...trust }, (answer) => {
    const headers = Object.entries(answer.headers).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]);
    const status = answer.statusCode ?? 0;
    const content = status === 204 ? null : Readable.toWeb(answer);
    resolve(new Response(content, { status, headers }));
  });
  asked.once("error", reject);
  asked.end(body);
  return promise;
}

/** The API on a database of its own, for callers of every role. */
import { expect } from "vitest";
import type { Platform } from "../../src/api/resource-routes.ts";
import { startApi, type ApiOptions } from "../../src/api/server.ts";
import type { Database } from "../../src/database/database.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import type { JsonObject, JsonValue } from "../../src/model/json/json.ts";
import { isJsonObject } from "../../src/model/json/json.ts";
import type { Caller } from "../../src/model/identity/caller.ts";
import { databaseResources } from "../../src/service/api-parts.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { freshDatabase } from "./postgres.ts";

const anyCaller = { identityId: "1", login: "somebody", jti: null, expiresAtMs: Number.POSITIVE_INFINITY };

/** A token is the name of a role; a sensor's names its triggers: `sensor/t.one/t.two`. */
async function authenticate(token: string): Promise<Caller | undefined> {
  const [role = "", ...triggerRefs] = token.split("/");
  if (role === "sensor") {
    const grant = { sensorRef: "p.sensor", triggerRefs, term: null };
    return { ...anyCaller, role, grant };
  }
  return role === "admin" || role === "viewer" || role === "worker" ? { ...anyCaller, role } : undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: JsonObject;
  /** The `data` of the body. */
  readonly data: JsonObject;
}

interface Call {
  readonly body?: JsonValue | string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DefinitionsApi extends AsyncDisposable {
  readonly address: string;
  readonly database: Database;
  /** @param path below /api/v1, or from the root if it begins with two slashes */
  readonly call: (method: string, path: string, call?: Call) => Promise<Answer>;
  /** As `call`, with the status that is expected. */
  readonly demand: (status: number, method: string, path: string, body?: JsonValue) => Promise<Answer>;
}

export async function definitionsApi(): Promise<DefinitionsApi> {
  const fresh = await freshDatabase();
  const api = await apiOn(fresh.database);
  return {
    ...api,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await fresh[Symbol.asyncDispose]();
    },
  };
}

/**
 * @param database migrated; the caller closes it
 * @param ports what the API offers beside the resources
 */
export async function apiOn(database: Database, ports: Partial<Platform> = {}): Promise<DefinitionsApi> {
  const options: ApiOptions = {
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    logger: silentLogger,
    platform: { authenticate, resources: databaseResources(database), ...ports },
  };
  const api = await startApi(options);

  const call = async (method: string, path: string, { body, token = "admin", headers }: Call = {}) => {
    const url = path.startsWith("//") ? path.slice(1) : `/api/v1${path}`;
    const response = await fetch(`${api.address}${url}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const parsed = parseJson(await response.text());
    if (!isJsonObject(parsed)) throw new Error(`${method} ${path} answered ${JSON.stringify(parsed)}`);
    const { data = {} } = parsed;
    return {
      status: response.status,
      headers: response.headers,
      body: parsed,
      data: isJsonObject(data) ? data : {},
    };
  };
  return {
    address: api.address,
    database,
    call,
    async demand(status, method, path, body) {
      const answer = await call(method, path, body === undefined ? {} : { body });
      expect({ status: answer.status, body: answer.body }).toMatchObject({ status });
      return answer;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

/** A pack `p` with the triggers `p.one` and `p.two` and the action `p.act`. */
export async function givePack({ demand }: DefinitionsApi): Promise<void> {
  await demand(201, "POST", "/packs", { ref: "p", label: "P" });
  for (const ref of ["p.one", "p.two"]) await demand(201, "POST", "/triggers", { ref, pack_ref: "p" });
  await demand(201, "POST", "/actions", { ref: "p.act", pack_ref: "p" });
}

export const rule = { ref: "p.rule", pack_ref: "p", trigger_ref: "p.one", action_ref: "p.act" };

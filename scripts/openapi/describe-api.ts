/** Generates the OpenAPI document from the routes' schemas, with nothing behind the routes. */
import { STATUS_CODES } from "node:http";
import swagger from "@fastify/swagger";
import type { FastifySchema, RouteOptions } from "fastify";
import type { Platform } from "../../src/api/resource-routes.ts";
import { createHttpServer } from "../../src/api/http-server.ts";
import { addRoutes } from "../../src/api/server.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../src/model/json/json.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

/** JSON text, with a line end. */
export async function describeApi(): Promise<string> {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  await server.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Attune sensor agent",
        version: "1",
        description:
          "Send a token as Authorization: Bearer. Every failure is answered with error, a sentence, and code, one of the codes in docs/errors.md.",
      },
      components: {
        securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
        schemas: {
          Failure: {
            type: "object",
            required: ["error", "code"],
            properties: {
              error: { type: "string", description: "A sentence for people" },
              code: { type: "string" },
              details: { type: "array", items: { type: "object" } },
            },
          },
        },
      },
    },
    // The same routes without the prefix are for older clients.
    transform: ({ schema, url, route }) => ({
      schema: { ...described(schema, route), hide: schema?.hide === true || isAlias(url) || isPage(url) },
      url,
    }),
  });
  await addRoutes(server, {
    health: { version: "", workerName: "", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    platform: standIn() as Platform,
  });
  await server.ready();
  const document = parseJson(JSON.stringify(server.swagger()));
  await server.close();
  return `${JSON.stringify(withAnswers(document), null, 2)}\n`;
}

const failureAnswer: JsonObject = {
  description: "Failure",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Failure" } } },
};

/** The document with a description of each status, and of how every failure is answered. */
function withAnswers(part: JsonValue): JsonValue {
  if (isJsonArray(part)) return part.map(withAnswers);
  if (!isJsonObject(part)) return part;
  const members = Object.entries(part).map(([name, value]) => [
    name,
    name === "responses" && isJsonObject(value) ? answers(value) : withAnswers(value),
  ]);
  return Object.fromEntries(members);
}

function answers(byStatus: JsonObject): JsonObject {
  const named = Object.entries(byStatus).map(([status, answer]) => [
    status,
    isJsonObject(answer) ? { ...answer, description: STATUS_CODES[status] ?? "" } : answer,
  ]);
  return { ...Object.fromEntries(named), default: failureAnswer };
}

const aliased = ["/auth", "/cloudevents", "/events", "/rules", "/triggers", "/webhooks"];

function isAlias(url: string): boolean {
  return aliased.some((path) => url === path || url.startsWith(`${path}/`));
}

/** Files for browsers, which no client of the API asks for. */
function isPage(url: string): boolean {
  return url === "/" || url === "/ui" || url.startsWith("/ui/");
}

const roleless = "Needs no token.";

/** The schema of a route with what follows from where it is and whom it is for. */
function described(schema: FastifySchema | undefined, { url, method, config }: RouteOptions): FastifySchema {
  const path = url.replace(/^\/api\/v1/, "");
  const [, resource = ""] = path.split("/");
  const roles = config?.roles;
  const access = roles === undefined ? roleless : `For the roles ${roles.join(", ")}.`;
  const words = path.split("/").flatMap((part) => part.match(/\w+/g) ?? []);
  return {
    ...schema,
    tags: [resource],
    operationId: [String(method).toLowerCase(), ...words].join("_"),
    description: [schema?.description, access].filter(Boolean).join(" "),
    ...(roles === undefined ? {} : { security: [{ bearer: [] }] }),
  };
}

/** Stands in for ports, which no route uses while it is only declared. */
function standIn(): unknown {
  return new Proxy(() => {}, { get: standIn });
}

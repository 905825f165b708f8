/** `/openapi.json`, and `/docs`: the same as a page. Both are open, since they contain no data. */
import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { isJsonObject } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { openApiPage } from "../openapi-page.ts";
import { openApiText } from "../openapi.ts";

export function addOpenApiRoutes(server: FastifyInstance): void {
  const page = lazy(() => {
    const document = parseJson(openApiText());
    return openApiPage(isJsonObject(document) ? document : {});
  });
  const policy = lazy(() => {
    const [, style = ""] = /<style>(.*?)<\/style>/s.exec(page()) ?? [];
    const hash = createHash("sha256").update(style).digest("base64");
    return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  });
  const document = lazy(openApiText);

  server.get("/openapi.json", async (_request, reply) =>
    reply.type("application/json; charset=utf-8").send(document()),
  );
  server.get("/docs", async (_request, reply) =>
    reply.type("text/html; charset=utf-8").header("content-security-policy", policy()).send(page()),
  );
}

function lazy<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

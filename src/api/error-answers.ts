/**
 * What a request gets that cannot be answered: `{"error": "<sentence>", "code": "<CODE>"}`, whatever
 * the reason, so that clients need one way to read a failure.
 */
import type { FastifyError, FastifyInstance } from "fastify";
import type { Logger } from "../telemetry/logger.ts";

const codes: Readonly<Record<number, string>> = {
  400: "BAD_REQUEST",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  408: "REQUEST_TIMEOUT",
  413: "PAYLOAD_TOO_LARGE",
  414: "URI_TOO_LONG",
  415: "UNSUPPORTED_MEDIA_TYPE",
  503: "UNAVAILABLE",
};

export function addErrorAnswers(server: FastifyInstance, logger: Logger): void {
  server.setNotFoundHandler(async (request, reply) => {
    const [path = ""] = request.url.split("?");
    const allowed = server.supportedMethods.filter((method) => server.hasRoute({ method, url: path }));
    if (allowed.length === 0) {
      return reply.code(404).send({ error: `There is nothing at ${path}.`, code: codes[404] });
    }
    reply.header("allow", allowed.join(", "));
    return reply.code(405).send({ error: `${path} answers ${allowed.join(", ")} only.`, code: codes[405] });
  });

  server.setErrorHandler(async (error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    const code = codes[status] ?? "INTERNAL_ERROR";
    if (status < 500) return reply.code(status).send({ error: error.message, code });
    // The cause may hold anything, so it goes to the log, which hides secrets, and not to the client.
    logger.error({ error, method: request.method, url: request.url }, "could not answer a request");
    return reply.code(status).send({ error: "The request failed; the agent's log says why.", code });
  });
}

/** Every request has an id, by which its answer and the agent's log can be matched. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";

const harmlessId = /^[\w.:-]{1,128}$/;

/** The caller's `X-Request-Id` if it is harmless in a log and a header, else a new one. */
export function requestId({ headers }: Pick<IncomingMessage, "headers">): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && harmlessId.test(given) ? given : randomUUID();
}

export function sendRequestIds(server: FastifyInstance): void {
  server.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
  });
}

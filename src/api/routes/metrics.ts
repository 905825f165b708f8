/** `/metrics`, for Prometheus. */
import type { FastifyInstance } from "fastify";
import type { MetricsSource } from "../ports.ts";

export function addMetricsRoute(server: FastifyInstance, metrics: MetricsSource): void {
  server.get("/metrics", async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
}

/** `/metrics`, for Prometheus. */
import type { FastifyInstance } from "fastify";
import type { MetricsSource } from "../ports.ts";

export function addMetricsRoute(server: FastifyInstance, metrics: MetricsSource): void {
  // Scrapes under way share one text, as bytes: clients that do not read it add no copies.
  let underWay: Promise<Buffer> | undefined;
  const text = (): Promise<Buffer> => {
    underWay ??= metrics
      .text()
      .then((all) => Buffer.from(all))
      .finally(() => (underWay = undefined));
    return underWay;
  };
  server.get("/metrics", async (_request, reply) => reply.type(metrics.contentType).send(await text()));
}

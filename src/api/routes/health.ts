/**
 * Three questions about health. Orchestrators ask the last two:
 * - `/health`: what is the whole picture? Always 200 while the process can answer at all. `/health/detailed` is another name.
 * - `/health/live`: should this process be restarted? Never because of something outside it.
 * - `/health/ready`: can it do its work now? 503 while a part is down or starting.
 */
import type { FastifyInstance } from "fastify";
import type { PartHealth } from "../../telemetry/part-health.ts";
import type { HealthSource } from "../ports.ts";

interface PartAnswer {
  readonly state: PartHealth["state"];
  readonly detail: string;
  /** Seconds since this was last confirmed. */
  readonly age_seconds: number;
}

export function addHealthRoutes(server: FastifyInstance, source: HealthSource): void {
  const picture = async () => {
    await source.refresh?.();
    const parts = describe(source);
    return {
      status: isWell(parts) ? "ok" : "degraded",
      version: source.version,
      worker: source.workerName,
      parts,
    };
  };
  server.get("/health", picture);
  server.get("/health/detailed", picture);

  // The name tells it from what many other programs answer at such a path.
  server.get("/health/live", async () => ({ status: "ok", worker: source.workerName }));

  server.get("/health/ready", async (_request, reply) => {
    await source.refresh?.();
    const parts = describe(source);
    if (isReady(parts)) return { status: isWell(parts) ? "ready" : "degraded", parts };
    return reply.code(503).send({ status: "not ready", parts });
  });
}

function describe({ parts, monotonicMs }: HealthSource): Readonly<Record<string, PartAnswer>> {
  const nowMs = monotonicMs();
  return Object.fromEntries(
    Object.entries(parts()).map(([name, { state, detail, checkedAtMs }]) => [
      name,
      { state, detail, age_seconds: Math.max(0, Math.round(nowMs - checkedAtMs) / 1_000) },
    ]),
  );
}

function isReady(parts: Readonly<Record<string, PartAnswer>>): boolean {
  return Object.values(parts).every(({ state }) => state === "up" || state === "degraded");
}

function isWell(parts: Readonly<Record<string, PartAnswer>>): boolean {
  return Object.values(parts).every(({ state }) => state === "up");
}

/** `/workers`: the running agents, and those that ran before. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import {
  workerOrders,
  workerRoles,
  workerStatuses,
  type WorkerEntry,
} from "../../database/statements/worker-list.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { MissingError } from "../errors.ts";
import { ListAnswer, listAnswer, listPageParameters, listRequest } from "../paging.ts";
import type { Resources } from "../ports.ts";
import { Text } from "../validation.ts";

export const WorkerListParameters = Type.Object({
  ...listPageParameters,
  sort: Type.Optional(
    Type.Enum(workerOrders, { description: "Key to sort by, with `-` in descending order" }),
  ),
  role: Type.Optional(Type.Enum(workerRoles)),
  status: Type.Optional(Type.Enum(workerStatuses)),
  alive: Type.Optional(Type.Boolean({ description: "Whether its lease is live" })),
});

const NameParameters = Type.Object({ name: Text("Name of the worker") });

export const WorkerAnswer = Type.Object({
  id: IdAnswer,
  name: Type.String(),
  worker_type: Type.Enum(["local", "remote", "container"]),
  worker_role: Type.Enum(workerRoles),
  status: orNull(Type.Enum(workerStatuses)),
  alive: Type.Boolean({ description: "Its lease has not run out, by the database's clock" }),
  sensors_held: Type.Integer({ description: "Sensors it owns" }),
  capacity_used: Type.Integer({ description: "Those of them that count towards max_concurrent_sensors" }),
  runtime: orNull(IdAnswer),
  host: orNull(Type.String()),
  port: orNull(Type.Integer()),
  capabilities: Type.Unknown(),
  meta: Type.Unknown(),
  last_heartbeat: orNull(InstantAnswer),
  created: InstantAnswer,
  updated: InstantAnswer,
});

export function addWorkerRoutes(
  scope: FastifyInstance,
  { listWorkers, readWorker }: Pick<Resources, "listWorkers" | "readWorker">,
): void {
  scope.get<{ Querystring: Static<typeof WorkerListParameters> }>(
    "/workers",
    {
      config: { roles: ["admin", "viewer"] },
      schema: { querystring: WorkerListParameters, response: { 200: ListAnswer(WorkerAnswer) } },
    },
    async ({ query }) => {
      const page = await listWorkers(query.sort ?? "id", {
        role: query.role ?? null,
        status: query.status ?? null,
        isAlive: query.alive ?? null,
        ...listRequest(query),
      });
      return listAnswer(query, page, workerAnswer);
    },
  );

  scope.get<{ Params: Static<typeof NameParameters> }>(
    "/workers/:name",
    {
      config: { roles: ["admin", "viewer"] },
      schema: { params: NameParameters, response: { 200: Type.Object({ data: WorkerAnswer }) } },
    },
    async ({ params }) => {
      const worker = await readWorker(params.name);
      if (worker === undefined) throw new MissingError("worker", params.name);
      return { data: workerAnswer(worker) };
    },
  );
}

function workerAnswer(worker: WorkerEntry): Static<typeof WorkerAnswer> {
  return {
    id: idAnswer(worker.id),
    name: worker.name,
    worker_type: worker.type,
    worker_role: worker.role,
    status: worker.status,
    alive: worker.isAlive,
    sensors_held: worker.sensorsHeld,
    capacity_used: worker.capacityUsed,
    runtime: idAnswer(worker.runtime),
    host: worker.host,
    port: worker.port,
    capabilities: worker.capabilities,
    meta: worker.meta,
    last_heartbeat: instantAnswer(worker.lastHeartbeatAt),
    created: instantAnswer(worker.createdAt),
    updated: instantAnswer(worker.updatedAt),
  };
}

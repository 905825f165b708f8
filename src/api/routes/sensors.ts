/**
 * `/sensors`: what they are, which worker runs each, and how their processes do.
 *
 * Only admins see `config`, which may hold secrets of the sensor.
 */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { SensorEntry, SensorProcessEntry } from "../../database/statements/sensor-list.ts";
import type { Caller } from "../../model/identity/caller.ts";
import { sensorStates } from "../../model/sensors/sensor-state.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { MissingError } from "../errors.ts";
import { ListAnswer, listAnswer, listRequest } from "../paging.ts";
import type { Resources } from "../ports.ts";
import { entityTag } from "../row-version.ts";
import { Text } from "../validation.ts";
import { addEditRoutes, addSwitchRoutes, nameOf, type EditedResource } from "../definitions/routes.ts";
import { listParameters, NameParameters, searchParameter } from "../definitions/schemas.ts";

export const SensorListParameters = Type.Object({
  ...listParameters,
  enabled: Type.Optional(Type.Boolean()),
  trigger_ref: Type.Optional(Text("One of the triggers it serves")),
  trigger_type: Type.Optional(Text("Another name of `trigger_ref`")),
  pack_ref: Type.Optional(Text("Pack that defines it")),
  state: Type.Optional(Type.Enum(sensorStates)),
  worker: Type.Optional(Text("Name of the worker that owns it")),
  q: searchParameter,
});

export const ProcessAnswer = Type.Object({
  status: Type.Enum(sensorStates),
  worker: orNull(IdAnswer),
  worker_name: orNull(Type.String()),
  current: Type.Boolean({ description: "Reported by the present owner, since it owns the sensor" }),
  pid: orNull(Type.Integer()),
  failures: Type.Integer({ description: "In a row" }),
  exit_code: orNull(Type.Integer()),
  signal: orNull(Type.String()),
  reason: orNull(Type.String()),
  stderr_excerpt: orNull(Type.String()),
  started_at: orNull(InstantAnswer),
  last_output_at: orNull(InstantAnswer),
  stopped_at: orNull(InstantAnswer),
  next_restart_at: orNull(InstantAnswer),
  updated: InstantAnswer,
});

export const SensorAnswer = Type.Object({
  id: IdAnswer,
  ref: Type.String(),
  label: Type.String(),
  description: orNull(Type.String()),
  pack: orNull(IdAnswer),
  pack_ref: orNull(Type.String()),
  entrypoint: Type.String(),
  runtime: orNull(IdAnswer),
  runtime_ref: Type.String(),
  trigger: orNull(IdAnswer),
  trigger_ref: Type.String(),
  trigger_refs: Type.Array(Type.String(), { description: "All triggers it serves, the main one first" }),
  enabled: Type.Boolean(),
  protocol: Type.String(),
  poll_interval: orNull(Type.Number({ description: "Seconds" })),
  timeout: orNull(Type.Number({ description: "Seconds" })),
  success_exit_codes: Type.Array(Type.Integer()),
  runtime_version_constraint: orNull(Type.String()),
  param_schema: Type.Unknown(),
  config: Type.Optional(Type.Unknown({ description: "For admins only" })),
  placement: Type.Unknown(),
  is_adhoc: Type.Boolean(),
  state: Type.Enum(sensorStates),
  worker: orNull(IdAnswer),
  worker_name: orNull(Type.String()),
  reason: orNull(
    Type.String({ description: "Why no worker can run it, or why its process last ended or waits" }),
  ),
  process: orNull(ProcessAnswer),
  created: InstantAnswer,
  updated: InstantAnswer,
});

export type SensorPorts = Pick<Resources, "listSensors" | "readSensor" | "sensorEdits">;

export function addSensorRoutes(
  scope: FastifyInstance,
  { listSensors, readSensor, sensorEdits }: SensorPorts,
): void {
  scope.get<{ Querystring: Static<typeof SensorListParameters> }>(
    "/sensors",
    {
      config: { roles: ["admin", "viewer"] },
      schema: { querystring: SensorListParameters, response: { 200: ListAnswer(SensorAnswer) } },
    },
    async ({ query, caller }) => {
      const page = await listSensors(query.sort ?? "id", {
        isEnabled: query.enabled ?? null,
        triggerRef: query.trigger_ref ?? query.trigger_type ?? null,
        packRef: query.pack_ref ?? null,
        state: query.state ?? null,
        workerName: query.worker ?? null,
        search: query.q ?? null,
        ...listRequest(query),
      });
      return listAnswer(query, page, (sensor) => sensorAnswer(sensor, caller));
    },
  );

  scope.get<{ Params: NameParameters }>(
    "/sensors/:ref",
    {
      config: { roles: ["admin", "viewer"] },
      schema: { params: NameParameters, response: { 200: Type.Object({ data: SensorAnswer }) } },
    },
    async ({ params, caller }, reply) => {
      const sensor = await readSensor(nameOf(params.ref));
      if (sensor === undefined) throw new MissingError("sensor", params.ref);
      reply.header("etag", entityTag(sensor.rowVersion));
      return { data: sensorAnswer(sensor, caller) };
    },
  );

  const resource: EditedResource<SensorEntry> = {
    kind: "sensor",
    path: "/sensors",
    ports: sensorEdits,
    answer: sensorAnswer,
    answerSchema: SensorAnswer,
  };
  addEditRoutes(scope, resource);
  addSwitchRoutes(scope, resource);
}

function sensorAnswer(sensor: SensorEntry, { role }: Caller): Static<typeof SensorAnswer> {
  return {
    id: idAnswer(sensor.id),
    ref: sensor.ref,
    label: sensor.label,
    description: sensor.description,
    pack: idAnswer(sensor.pack),
    pack_ref: sensor.packRef,
    entrypoint: sensor.entrypoint,
    runtime: idAnswer(sensor.runtime),
    runtime_ref: sensor.runtimeRef,
    trigger: idAnswer(sensor.trigger),
    trigger_ref: sensor.triggerRef,
    trigger_refs: [...sensor.triggerRefs],
    enabled: sensor.isEnabled,
    protocol: sensor.protocol,
    poll_interval: sensor.pollIntervalSeconds,
    timeout: sensor.timeoutSeconds,
    success_exit_codes: [...sensor.successExitCodes],
    runtime_version_constraint: sensor.runtimeVersionConstraint,
    param_schema: sensor.paramSchema,
    ...(role === "admin" ? { config: sensor.config } : {}),
    placement: sensor.placement,
    is_adhoc: sensor.isAdhoc,
    state: sensor.state,
    worker: idAnswer(sensor.worker),
    worker_name: sensor.workerName,
    reason: sensor.reason,
    process: sensor.process === null ? null : processAnswer(sensor.process),
    created: instantAnswer(sensor.createdAt),
    updated: instantAnswer(sensor.updatedAt),
  };
}

export function processAnswer(process: SensorProcessEntry): Static<typeof ProcessAnswer> {
  return {
    status: process.status,
    worker: idAnswer(process.worker),
    worker_name: process.workerName,
    current: process.isCurrent,
    pid: process.pid,
    failures: process.failures,
    exit_code: process.exitCode,
    signal: process.signal,
    reason: process.reason,
    stderr_excerpt: process.stderrExcerpt,
    started_at: instantAnswer(process.startedAt),
    last_output_at: instantAnswer(process.lastOutputAt),
    stopped_at: instantAnswer(process.stoppedAt),
    next_restart_at: instantAnswer(process.nextRestartAt),
    updated: instantAnswer(process.reportedAt),
  };
}

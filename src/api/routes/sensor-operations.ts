/** What an operator does with one sensor: `/sensors/{ref}/status` and `/sensors/{ref}/restart`. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { SensorStanding } from "../../database/statements/diagnosis.ts";
import type { SensorHold } from "../../database/statements/sensor-hold.ts";
import type { SensorEntry } from "../../database/statements/sensor-list.ts";
import { sensorStates, type SensorState } from "../../model/sensors/sensor-state.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { MissingError, RequestError } from "../errors.ts";
import { Text } from "../validation.ts";
import { ProcessAnswer, processAnswer } from "./sensors.ts";

/** Satisfied by diagnosis/sensor-status.ts. */
export interface SensorStatus {
  readonly sensor: SensorEntry;
  readonly standing: SensorStanding;
  readonly hold: SensorHold;
  /** As doctor judges it. */
  readonly finding: {
    readonly state: "good" | "notice" | "wrong";
    readonly detail: string;
    readonly remedy: string | null;
    readonly lines: readonly string[];
  };
}

/** Satisfied by operations/sensor-restart.ts. */
export type RestartOutcome =
  | { readonly kind: "restarted"; readonly state: SensorState; readonly workerName: string }
  | { readonly kind: "under-way"; readonly workerName: string }
  | { readonly kind: "refused"; readonly reason: string; readonly workerName: string }
  | { readonly kind: "unplaced" }
  | { readonly kind: "unknown-sensor" }
  | { readonly kind: "no-answer"; readonly workerName: string };

export interface SensorOperations {
  /** Undefined: no sensor has that ref. */
  readonly readStatus: (ref: string) => Promise<SensorStatus | undefined>;
  /** On the worker that owns it. */
  readonly restart: (ref: string, signal: AbortSignal) => Promise<RestartOutcome>;
}

const RefParameters = Type.Object({ ref: Text("Ref of the sensor") });

export const StatusAnswer = Type.Object({
  id: IdAnswer,
  ref: Type.String(),
  enabled: Type.Boolean(),
  state: Type.Enum(sensorStates),
  worker: orNull(IdAnswer),
  worker_name: orNull(Type.String()),
  assignment: orNull(
    Type.Object({
      generation: IdAnswer,
      instance: Type.String({ description: "The owner's process" }),
      claimed_at: orNull(InstantAnswer),
      lease_expires_at: orNull(InstantAnswer),
    }),
  ),
  process: orNull(ProcessAnswer),
  rules: Type.Object({
    total: Type.Integer({ description: "On triggers it serves" }),
    enabled: Type.Integer(),
    effective: Type.Integer({ description: "Enabled, on enabled triggers: it runs for these" }),
  }),
  disabled_triggers: Type.Array(Type.String()),
  checkpoint: orNull(Type.Object({ updated: InstantAnswer })),
  finding: Type.Object(
    {
      state: Type.Enum(["good", "notice", "wrong"]),
      detail: Type.String({ description: "What it does, or why it does not run" }),
      remedy: orNull(Type.String()),
      lines: Type.Array(Type.String(), { description: "The last lines of its stderr, if they matter" }),
    },
    { description: "As `doctor` reports it" },
  ),
});

const RestartAnswer = Type.Object({
  ref: Type.String(),
  worker_name: Type.String(),
  restarted: Type.Boolean({ description: "false: the former process is still being stopped" }),
  state: orNull(Type.Enum(sensorStates)),
});

export function addSensorOperationRoutes(
  scope: FastifyInstance,
  { readStatus, restart }: SensorOperations,
): void {
  scope.get<{ Params: Static<typeof RefParameters> }>(
    "/sensors/:ref/status",
    {
      config: { roles: ["admin", "viewer"] },
      schema: { params: RefParameters, response: { 200: Type.Object({ data: StatusAnswer }) } },
    },
    async ({ params }) => ({ data: statusAnswer((await readStatus(params.ref)) ?? unknown(params.ref)) }),
  );

  scope.post<{ Params: Static<typeof RefParameters> }>(
    "/sensors/:ref/restart",
    {
      config: { roles: ["admin"] },
      schema: {
        params: RefParameters,
        response: {
          200: Type.Object({ data: RestartAnswer }),
          202: Type.Object(
            { data: RestartAnswer },
            { description: "The former process is still being stopped" },
          ),
        },
      },
    },
    async ({ params: { ref }, signal }, reply) => {
      const outcome = await restart(ref, signal);
      switch (outcome.kind) {
        case "restarted":
          return { data: { ref, worker_name: outcome.workerName, restarted: true, state: outcome.state } };
        case "under-way":
          reply.code(202);
          return { data: { ref, worker_name: outcome.workerName, restarted: false, state: null } };
        case "refused":
          throw new RequestError(
            "CONFLICT",
            `Worker ${outcome.workerName} does not run ${ref}: ${outcome.reason}.`,
          );
        case "unplaced": {
          const status = (await readStatus(ref)) ?? unknown(ref);
          throw new RequestError("CONFLICT", `No worker runs ${ref}: it ${status.finding.detail}.`);
        }
        case "no-answer":
          throw new RequestError(
            "UNAVAILABLE",
            `Worker ${outcome.workerName} owns ${ref} and did not answer.`,
          );
        case "unknown-sensor":
          return unknown(ref);
      }
    },
  );
}

/** @throws RequestError NOT_FOUND */
function unknown(ref: string): never {
  throw new MissingError("sensor", ref);
}

function statusAnswer({ sensor, standing, hold, finding }: SensorStatus): Static<typeof StatusAnswer> {
  return {
    id: idAnswer(sensor.id),
    ref: sensor.ref,
    enabled: sensor.isEnabled,
    state: sensor.state,
    worker: idAnswer(sensor.worker),
    worker_name: sensor.workerName,
    assignment: assignmentAnswer(hold),
    process: sensor.process === null ? null : processAnswer(sensor.process),
    rules: { total: standing.rules, enabled: standing.enabledRules, effective: standing.effectiveRules },
    disabled_triggers: [...standing.disabledTriggers],
    checkpoint: hold.checkpointAt === null ? null : { updated: instantAnswer(hold.checkpointAt) },
    finding: {
      state: finding.state,
      detail: finding.detail,
      remedy: finding.remedy,
      lines: [...finding.lines],
    },
  };
}

function assignmentAnswer(hold: SensorHold): Static<typeof StatusAnswer>["assignment"] {
  const { generation, instance } = hold;
  if (generation === null || instance === null) return null;
  return {
    generation: idAnswer(generation),
    instance,
    claimed_at: instantAnswer(hold.claimedAt),
    lease_expires_at: instantAnswer(hold.leaseExpiresAt),
  };
}

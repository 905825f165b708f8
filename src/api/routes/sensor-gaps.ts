/** `/gaps`: when nothing ran a sensor that should run, why, and which worker went on; the newest first. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import { gapCauses, type GapEntry } from "../../database/statements/sensor-gaps.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { HistoryAnswer, historyAnswer, historyParameters, historyRequest } from "../history-paging.ts";
import type { Resources } from "../ports.ts";
import { Text } from "../validation.ts";

const GapListParameters = Type.Object({
  ...historyParameters,
  sensor_ref: Type.Optional(Text("Sensor that did not run")),
  cause: Type.Optional(Type.Enum(gapCauses)),
});

const GapAnswer = Type.Object({
  id: IdAnswer,
  sensor_ref: Type.String(),
  cause: Type.Enum(gapCauses, {
    description:
      "`released`: its worker stopped, or the sensor moved; `lost`: its worker died or was cut off; `ended`: its process exited on its own; `unplaced`: no worker could run it",
  }),
  detail: orNull(Type.String({ description: "Why the process ended, or why no worker could run it" })),
  from_worker: orNull(Type.String({ description: "Worker that ran it before" })),
  to_worker: orNull(Type.String({ description: "Worker that went on; null: none yet" })),
  began_at: orNull(
    Type.String({
      format: "date-time",
      description:
        "With `lost` the last renewal of the lease, so the gap may have begun later. Null: unknown",
    }),
  ),
  ended_at: orNull(Type.String({ format: "date-time", description: "Null: it has not ended" })),
  open: Type.Boolean({ description: "Nothing runs the sensor now, and it should run" }),
  seconds: orNull(Type.Number({ description: "So far, if it is open; with `lost` at most" })),
  created: InstantAnswer,
});

export function addGapRoutes(scope: FastifyInstance, { listGaps }: Pick<Resources, "listGaps">): void {
  scope.get<{ Querystring: Static<typeof GapListParameters> }>(
    "/gaps",
    {
      config: { roles: ["admin", "viewer"] },
      schema: {
        description:
          "Gaps: times in which nothing ran a sensor that should run. One that another worker ended is a failover.",
        querystring: GapListParameters,
        response: { 200: HistoryAnswer(GapAnswer) },
      },
    },
    async ({ query }) => {
      const filter = { sensorRef: query.sensor_ref ?? null, cause: query.cause ?? null };
      return historyAnswer(query, await listGaps(filter, historyRequest(query)), gapAnswer);
    },
  );
}

function gapAnswer(entry: GapEntry): Static<typeof GapAnswer> {
  return {
    id: idAnswer(entry.id),
    sensor_ref: entry.sensorRef,
    cause: entry.cause,
    detail: entry.detail,
    from_worker: entry.fromWorker,
    to_worker: entry.toWorker,
    began_at: instantAnswer(entry.beganAt),
    ended_at: instantAnswer(entry.endedAt),
    open: entry.isOpen,
    seconds: entry.seconds,
    created: instantAnswer(entry.createdAt),
  };
}

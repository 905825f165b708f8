/** `POST /verify`: proves that stored rows agree with each other, and repairs on request. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { JsonObject } from "../../model/json/json.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { orNull } from "../answers.ts";
import type { Authenticate } from "../authentication.ts";
import { invalidParameter } from "../errors.ts";
import { LineStreams, type Line } from "../line-stream.ts";
import { demandPastInstant, pastInstantForms } from "../past-instants.ts";
import { ProgressPace } from "../progress-pace.ts";
import { Text } from "../validation.ts";

export interface VerifyRequest {
  /** Null: everything that is stored. */
  readonly since: Date | null;
  readonly isRepairing: boolean;
}

export interface VerifyPorts {
  readonly verification: {
    /** Yields the events verified so far, and at the end the report. */
    run(request: VerifyRequest, signal: AbortSignal): AsyncGenerator<number, JsonObject, void>;
  };
  readonly clock: Clock;
  readonly logger: Logger;
}

const VerifyBody = Type.Union([
  Type.Object(
    {
      since: Type.Optional(Text(`First time of storing, everything by default: ${pastInstantForms}`)),
      repair: Type.Optional(Type.Boolean({ description: "Also repair what can be repaired" })),
    },
    { additionalProperties: false },
  ),
  Type.Null(),
]);

const Count = Type.Integer();

const VerifyLine = Type.Object(
  {
    progress: Type.Optional(Type.Object({ events: Count })),
    done: Type.Optional(
      Type.Object({
        checked: Type.Object({
          events: Count,
          enforcements: Count,
          messages: Count,
          checkpoints: Count,
          keys: Count,
        }),
        unprovable_events: Type.Integer({
          description: "Events from before the revision of their rules was recorded",
        }),
        violations: Count,
        repaired: Count,
        found: Type.Array(
          Type.Object({
            kind: Type.String(),
            meaning: Type.String(),
            count: Count,
            repaired: Count,
            examples: Type.Array(Type.String()),
            remedy: orNull(
              Type.String({ description: "What to do about those that are left; null: none is" }),
            ),
          }),
        ),
      }),
    ),
  },
  {
    description:
      "One line of application/x-ndjson: now and then the progress, and at the end `done`, or `error` and `code`",
  },
);

export function addVerifyRoutes(
  scope: FastifyInstance,
  { verification, clock, logger }: VerifyPorts,
  authenticate: Authenticate,
): void {
  const refusal = "A verification is running on this agent already.";
  const streams = new LineStreams(scope, { authenticate, logger, atOnceMax: 1, refusal });

  scope.post<{ Body: Static<typeof VerifyBody> }>(
    "/verify",
    { config: { roles: ["admin"] }, schema: { body: VerifyBody, response: { 200: VerifyLine } } },
    async (request, reply) => {
      const { since, repair = false } = request.body ?? {};
      const nowMs = clock.nowMs();
      const asked = {
        since: since === undefined ? null : demandPastInstant("since", since, nowMs),
        isRepairing: repair,
      };
      // Else a misspelt year would read as a proof that all is well.
      if (asked.since !== null && asked.since.getTime() > nowMs)
        throw invalidParameter("since", "is in the future");
      if (repair) logger.info({ login: request.caller.login }, `${request.caller.login} repairs stored rows`);
      return streams.send(request, reply, (signal) => lines(asked, signal));
    },
  );

  async function* lines(asked: VerifyRequest, signal: AbortSignal): AsyncGenerator<Line, void, void> {
    const steps = verification.run(asked, signal);
    const pace = new ProgressPace(clock);
    for (;;) {
      const step = await steps.next();
      if (step.done === true) {
        if (!signal.aborted) yield { done: step.value };
        return;
      }
      if (pace.isDue()) yield { progress: { events: step.value } };
    }
  }
}

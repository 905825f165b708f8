/** `POST /rules/backtest`: a draft of a rule over stored events, compared with the live rule. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { JsonValue } from "../../model/json/json.ts";
import type { BacktestOutcome, BacktestRequest, BacktestStep } from "../../model/rules/backtest-request.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { IdAnswer, InstantAnswer } from "../answers.ts";
import type { Authenticate } from "../authentication.ts";
import { invalidParameter, RequestError } from "../errors.ts";
import { LineStreams, type Line } from "../line-stream.ts";
import { demandPastInstant, pastInstantForms } from "../past-instants.ts";
import { Text } from "../validation.ts";

export interface BacktestPorts {
  readonly backtests: { prepare(request: BacktestRequest): Promise<BacktestOutcome> };
  readonly clock: Clock;
  readonly logger: Logger;
}

const BacktestBody = Type.Object(
  {
    rule: Type.Optional(Text("Ref of a stored rule, which the draft changes and is compared with")),
    trigger_ref: Type.Optional(
      Text("Of the draft; that of the stored rule by default, as the following ones"),
    ),
    conditions: Type.Optional(Type.Unknown()),
    trigger_params: Type.Optional(Type.Unknown()),
    action_params: Type.Optional(Type.Unknown()),
    since: Text(`First time of storing: ${pastInstantForms}; or \`change\`: since the rule is as it is now`),
    until: Type.Optional(Text("Time of storing at which to end, now by default; in the same form")),
    against: Type.Optional(
      Type.Enum(["live", "stored"], {
        description: "Compare with the live rule as it is, by default, or with the enforcements it has",
      }),
    ),
  },
  { additionalProperties: false },
);

const Counts = Type.Object({
  events: Type.Integer(),
  hits: Type.Integer({ description: "Events that the draft matches" }),
  live_hits: Type.Integer({ description: "Events that the live rule matches, or has an enforcement of" }),
  caught: Type.Integer({ description: "Events that only the draft matches" }),
  missed: Type.Integer({ description: "Events that only the live rule matches" }),
  changed: Type.Integer({ description: "Events that both match, with different parameters" }),
  too_long: Type.Integer({ description: "Matches whose parameters become too long" }),
  bucket_hits_max: Type.Integer({ description: "The most hits of one bucket" }),
});

const BacktestLine = Type.Object(
  {
    progress: Type.Optional(Type.Object({ events: Type.Integer(), created: InstantAnswer })),
    done: Type.Optional(
      Type.Object({
        live: Type.Enum(["enabled", "disabled", "none"]),
        counts: Counts,
        bucket_seconds: Type.Integer(),
        buckets: Type.Array(
          Type.Object({
            start: InstantAnswer,
            events: Type.Integer(),
            hits: Type.Integer(),
            live_hits: Type.Integer(),
          }),
        ),
        caught: Type.Array(IdAnswer, { description: "The first 100 of them" }),
        missed: Type.Array(IdAnswer, { description: "The first 100 of them" }),
        changed: Type.Array(
          Type.Object(
            { event: IdAnswer, draft: Type.Unknown(), live: Type.Unknown() },
            { description: "Parameters" },
          ),
        ),
        hits: Type.Array(Type.Object({ event: IdAnswer, parameters: Type.Unknown() })),
      }),
    ),
  },
  {
    description:
      "One line of application/x-ndjson: now and then the progress, and at the end `done`, or `error` and `code`",
  },
);

export function addBacktestRoutes(
  scope: FastifyInstance,
  { backtests, clock, logger }: BacktestPorts,
  authenticate: Authenticate,
): void {
  const refusal = "A back-test is running on this agent already.";
  const streams = new LineStreams(scope, { authenticate, logger, atOnceMax: 1, refusal });

  scope.post<{ Body: Static<typeof BacktestBody> }>(
    "/rules/backtest",
    {
      config: { roles: ["admin", "viewer"] },
      schema: { body: BacktestBody, response: { 200: BacktestLine } },
    },
    async (request, reply) => {
      const outcome = await backtests.prepare(requestOf(request.body, clock.nowMs()));
      if (outcome.kind === "invalid") throw invalidParameter(outcome.parameter, outcome.problem);
      return streams.send(request, reply, (signal) => lines(outcome.live, outcome.run(signal)));
    },
  );
}

async function* lines(
  live: string,
  steps: AsyncGenerator<BacktestStep, void, void>,
): AsyncGenerator<Line, void, void> {
  for await (const step of steps) {
    switch (step.kind) {
      case "progress":
        yield { progress: { events: step.events, created: new Date(step.createdMs).toISOString() } };
        break;
      case "failed":
        throw new RequestError("UNAVAILABLE", `The back-test failed: ${step.reason}.`);
      case "result":
        yield { done: { live, ...step.result } };
    }
  }
}

/** The body was parsed as JSON. */
function json(value: unknown): JsonValue {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return value as JsonValue;
}

/** @throws RequestError VALIDATION_FAILED */
function requestOf(body: Static<typeof BacktestBody>, nowMs: number): BacktestRequest {
  const { rule, trigger_ref, since, until, against = "live" } = body;
  if (rule === undefined && trigger_ref === undefined)
    throw invalidParameter("rule", "is required, or trigger_ref");
  return {
    ref: rule ?? null,
    changes: {
      ...(trigger_ref === undefined ? {} : { triggerRef: trigger_ref }),
      ...(body.conditions === undefined ? {} : { conditions: json(body.conditions) }),
      ...(body.trigger_params === undefined ? {} : { triggerParams: json(body.trigger_params) }),
      ...(body.action_params === undefined ? {} : { actionParams: json(body.action_params) }),
    },
    since: since === "change" ? since : demandPastInstant("since", since, nowMs),
    until: until === undefined ? undefined : demandPastInstant("until", until, nowMs),
    against,
  };
}

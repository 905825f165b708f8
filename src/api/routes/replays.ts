/** `POST /events/replay` and `POST /events/{id}/replay`: match stored events by today's rules. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import type { ReplayProblem, ReplayRequest, ReplayStep } from "../../model/rules/replay-request.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import { idAnswer, IdAnswer } from "../answers.ts";
import type { Authenticate } from "../authentication.ts";
import { invalidParameter, RequestError } from "../errors.ts";
import { LineStreams, type Line } from "../line-stream.ts";
import { demandPastInstant, pastInstantForms } from "../past-instants.ts";
import { ProgressPace } from "../progress-pace.ts";
import { Text } from "../validation.ts";

export interface ReplayPorts {
  readonly replay: {
    problemOf(request: ReplayRequest): Promise<ReplayProblem | undefined>;
    run(request: ReplayRequest, signal: AbortSignal): AsyncGenerator<ReplayStep, void, void>;
  };
  readonly clock: Clock;
  readonly logger: Logger;
}

const atOnceMax = 2;
const rateDefault = 100;
const rateMax = 1_000;
const idsMax = 1_000;
/** Events that are stored already count as such, even if the database's clock is ahead. */
const clockSlackMs = 1_000;
const idPattern = /^\d{1,18}$/;

const options = {
  rule: Type.Optional(Text("Id or ref of the only rule to consider")),
  dry_run: Type.Optional(Type.Boolean({ description: "Only say what would be stored" })),
  force: Type.Optional(
    Type.Boolean({
      description: "Store each event anew, with `replayed_from`, whatever enforcements there are",
    }),
  ),
  rate: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: rateMax,
      description: `Events per second for which something is stored, ${rateDefault} by default`,
    }),
  ),
};

const ReplayBody = Type.Object(
  {
    ids: Type.Optional(
      Type.Array(IdAnswer, {
        minItems: 1,
        maxItems: idsMax,
        description: "Ids of events, instead of a time",
      }),
    ),
    since: Type.Optional(Text(`First time of storing: ${pastInstantForms}`)),
    until: Type.Optional(Text("Time of storing at which to end, now by default; in the same form")),
    trigger_ref: Type.Optional(Text("Only events of this trigger")),
    ...options,
  },
  { additionalProperties: false },
);

const OneBody = Type.Union([Type.Object(options, { additionalProperties: false }), Type.Null()]);

const ReplayLine = Type.Object(
  {
    event: Type.Optional(IdAnswer),
    outcome: Type.Optional(
      Type.Enum(["stored", "missing", "skipped"], {
        description: "`missing`: in a dry run, what would be stored",
      }),
    ),
    copy: Type.Optional(IdAnswer),
    enforcements: Type.Optional(Type.Array(Type.Object({ id: IdAnswer, rule_ref: Type.String() }))),
    rule_refs: Type.Optional(Type.Array(Type.String())),
    reason: Type.Optional(Type.String()),
    progress: Type.Optional(Type.Object({ events: Type.Integer() })),
    done: Type.Optional(
      Type.Object({
        events: Type.Integer({ description: "Read" }),
        complete: Type.Integer({ description: "With nothing missing" }),
        stored: Type.Integer({ description: "For which something was stored, or would be" }),
        enforcements: Type.Integer({ description: "Stored, or that would be" }),
        copies: Type.Integer({ description: "Events stored anew, or that would be" }),
        skipped: Type.Integer(),
      }),
    ),
  },
  {
    description:
      "One line of application/x-ndjson: an event with something to say, now and then the progress, and at the end `done`, or `error` and `code`",
  },
);

const roles = ["admin"] as const;

export function addReplayRoutes(
  scope: FastifyInstance,
  { replay, clock, logger }: ReplayPorts,
  authenticate: Authenticate,
): void {
  const refusal = `${atOnceMax} replays are running on this agent already.`;
  const streams = new LineStreams(scope, { authenticate, logger, atOnceMax, refusal });

  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    events: ReplayRequest["events"],
    { rule, dry_run = false, force = false, rate = rateDefault }: Static<typeof ReplayBody>,
  ): Promise<FastifyReply> => {
    const asked = { events, rule: rule ?? null, isDry: dry_run, isForced: force, rateMax: rate };
    const wrong = await replay.problemOf(asked);
    if (wrong !== undefined) throw invalidParameter(wrong.parameter, wrong.problem);
    return streams.send(request, reply, (signal) => told(asked, request.caller.login, signal));
  };

  scope.post<{ Body: Static<typeof ReplayBody> | null }>(
    "/events/replay",
    { config: { roles }, schema: { body: ReplayBody, response: { 200: ReplayLine } } },
    async (request, reply) =>
      await answer(request, reply, eventsOf(request.body ?? {}, clock.nowMs()), request.body ?? {}),
  );

  scope.post<{ Params: { readonly id: string }; Body: Static<typeof OneBody> }>(
    "/events/:id/replay",
    {
      config: { roles },
      schema: { params: Type.Object({ id: Text("Id") }), body: OneBody, response: { 200: ReplayLine } },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (!idPattern.test(id)) throw new RequestError("NOT_FOUND", `There is no event ${id}.`);
      return await answer(request, reply, { kind: "ids", ids: [id] }, request.body ?? {});
    },
  );

  /** Who replayed what is written to the log, at the beginning and at the end. */
  async function* told(
    asked: ReplayRequest,
    login: string,
    signal: AbortSignal,
  ): AsyncGenerator<Line, void, void> {
    const about = { login, ...aboutOf(asked) };
    logger.info(about, `${login} replays events`);
    const counts = { events: 0, complete: 0, stored: 0, enforcements: 0, copies: 0, skipped: 0 };
    let isWhole = false;
    try {
      const pace = new ProgressPace(clock);
      for await (const step of replay.run(asked, signal)) {
        count(counts, step, asked.isForced);
        if (step.kind !== "complete") yield lineOf(step);
        if (pace.isDue()) yield { progress: { events: counts.events } };
      }
      isWhole = !signal.aborted;
      if (isWhole) yield { done: counts };
    } finally {
      logger.info(
        { ...about, ...counts },
        `the replay of ${login} ${isWhole ? "is complete" : "was interrupted"}`,
      );
    }
  }
}

/** @throws RequestError VALIDATION_FAILED */
function eventsOf(
  { ids, since, until, trigger_ref: triggerRef }: Static<typeof ReplayBody>,
  nowMs: number,
): ReplayRequest["events"] {
  if (ids !== undefined) {
    if (since !== undefined || until !== undefined || triggerRef !== undefined)
      throw invalidParameter("ids", "cannot be combined with since, until and trigger_ref");
    return { kind: "ids", ids: ids.map(String).filter((id) => idPattern.test(id)) };
  }
  if (since === undefined) throw invalidParameter("since", "is required, or ids");
  const range = {
    since: demandPastInstant("since", since, nowMs),
    until: until === undefined ? new Date(nowMs + clockSlackMs) : demandPastInstant("until", until, nowMs),
  };
  if (range.since >= range.until) throw invalidParameter("since", "must be before until");
  return { kind: "range", ...range, triggerRef: triggerRef ?? null };
}

function aboutOf({ events, rule, isDry, isForced }: ReplayRequest): Line {
  const which =
    events.kind === "ids"
      ? { event_ids: events.ids.slice(0, 10), event_count: events.ids.length }
      : { since: events.since, until: events.until, trigger_ref: events.triggerRef };
  return { ...which, rule, dry_run: isDry, force: isForced };
}

function count(
  counts: Record<"events" | "complete" | "stored" | "enforcements" | "copies" | "skipped", number>,
  step: ReplayStep,
  isForced: boolean,
): void {
  counts.events += 1;
  switch (step.kind) {
    case "complete":
      counts.complete += 1;
      break;
    case "skipped":
      counts.skipped += 1;
      break;
    case "missing":
      counts.stored += 1;
      counts.enforcements += step.ruleRefs.length;
      counts.copies += isForced ? 1 : 0;
      break;
    case "stored":
      counts.stored += 1;
      counts.enforcements += step.enforcements.length;
      counts.copies += step.copyId === null ? 0 : 1;
  }
}

function lineOf(step: Exclude<ReplayStep, { readonly kind: "complete" }>): Line {
  const head = { event: idAnswer(step.eventId), outcome: step.kind };
  switch (step.kind) {
    case "skipped":
      return { ...head, reason: step.reason };
    case "missing":
      return { ...head, rule_refs: step.ruleRefs };
    case "stored":
      return {
        ...head,
        ...(step.copyId === null ? {} : { copy: idAnswer(step.copyId) }),
        enforcements: step.enforcements.map(({ id, ruleRef }) => ({ id: idAnswer(id), rule_ref: ruleRef })),
      };
  }
}

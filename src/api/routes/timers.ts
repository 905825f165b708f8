/**
 * `/timers`: the rules on timer triggers, when they fire next, and the outcomes of their slots. docs/timers.md explains
 * the answers.
 *
 * Computes the next fires from the rule's params, without asking the agent that runs the timers.
 */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { SlotEntry, TimerEntry } from "../../database/statements/timer-list.ts";
import { isJsonObject } from "../../model/json/json.ts";
import { valid, invalid, type Decoded } from "../../model/json/decoded.ts";
import type { Slot } from "../../model/schedules/schedule.ts";
import type { TimerPlan } from "../../model/schedules/timer-plan.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { MissingError } from "../errors.ts";
import { ListAnswer, listAnswer, listRequest } from "../paging.ts";
import type { Resources } from "../ports.ts";
import { nameOf } from "../definitions/routes.ts";
import { listParameters, NameParameters, searchParameter } from "../definitions/schemas.ts";
import { Text } from "../validation.ts";

/** As many fires as `timers show` foretells. */
const nextFiresMax = 10;
/** As many entries as the ledger keeps of each timer. */
const slotsMax = 200;
const slotsDefault = 20;

export const TimerListParameters = Type.Object({
  ...listParameters,
  enabled: Type.Optional(Type.Boolean({ description: "Whether the rule and its trigger are enabled" })),
  trigger_ref: Type.Optional(Text("Trigger of the rule")),
  pack_ref: Type.Optional(Text("Pack that defines the rule")),
  q: searchParameter,
});

const SlotsParameters = Type.Object({
  slots: Type.Optional(
    Type.Integer({
      description: `How many of the last slots, ${slotsDefault} by default and at most ${slotsMax}`,
      minimum: 0,
      maximum: slotsMax,
    }),
  ),
});

const timerStates = ["waiting", "paused", "disabled", "finished", "invalid"] as const;

const Local = Type.String({
  description: "As the clock of the time zone shows it, with the offset from UTC",
});

export const TimerAnswer = Type.Object({
  id: IdAnswer,
  rule_ref: Type.String(),
  label: Type.String(),
  pack_ref: orNull(Type.String()),
  trigger_ref: Type.String(),
  trigger_params: Type.Unknown(),
  enabled: Type.Boolean({ description: "The rule and its trigger" }),
  state: Type.Enum(timerStates),
  problem: orNull(Type.String({ description: "Why it cannot fire" })),
  note: orNull(Type.String()),
  timezone: orNull(Type.String()),
  next_fire_at: orNull(InstantAnswer),
  next_fire_local: orNull(Local),
  last_scheduled_at: orNull(InstantAnswer),
  last_fired_at: orNull(InstantAnswer),
  execution_count: Type.Integer({ description: "How many times it has fired" }),
  skipped_count: Type.Integer({ description: "How many of its slots were skipped" }),
  counts: Type.Object(
    {},
    {
      description: "Slots that `fired` and fired `late`, and by reason those that were skipped",
      additionalProperties: Type.Integer(),
    },
  ),
  since: Type.String({ format: "date-time", description: "From when its slots count" }),
  settled_until: orNull(InstantAnswer),
  created: InstantAnswer,
  updated: InstantAnswer,
});

const FireAnswer = Type.Object({
  scheduled_at: InstantAnswer,
  local: Local,
  due_at: Type.String({ format: "date-time", description: "Later than that by spread and jitter" }),
});

export const SlotAnswer = Type.Object({
  outcome: Type.Enum(["fired", "late", "skipped"]),
  reason: orNull(Type.String({ description: "Why it was skipped" })),
  scheduled_at: InstantAnswer,
  local: orNull(Local),
  last_scheduled_at: Type.String({
    format: "date-time",
    description: "Of the last one, if they are several",
  }),
  slots: Type.Integer({ description: "How many slots in a row it is about" }),
  counted: Type.Boolean({ description: "With false, `slots` is an estimate" }),
  late_seconds: orNull(Type.Number()),
  fired_at: orNull(InstantAnswer),
  event: orNull(IdAnswer),
});

export const TimerDetails = Type.Object({
  ...TimerAnswer.properties,
  next_fires: Type.Array(FireAnswer),
  slots: Type.Array(SlotAnswer, { description: "The newest first" }),
});

export function addTimerRoutes(
  scope: FastifyInstance,
  { listTimers, readTimer }: Pick<Resources, "listTimers" | "readTimer">,
): void {
  scope.get<{ Querystring: Static<typeof TimerListParameters> }>(
    "/timers",
    {
      config: { roles: ["admin", "viewer"] },
      schema: { querystring: TimerListParameters, response: { 200: ListAnswer(TimerAnswer) } },
    },
    async ({ query }) => {
      const page = await listTimers(query.sort ?? "id", {
        isEnabled: query.enabled ?? null,
        triggerRef: query.trigger_ref ?? null,
        packRef: query.pack_ref ?? null,
        search: query.q ?? null,
        ...listRequest(query),
      });
      const forecaster = await loadForecaster();
      return listAnswer(query, page, (timer) => timerAnswer(timer, forecaster.forecast(timer, 1)));
    },
  );

  scope.get<{ Params: NameParameters; Querystring: Static<typeof SlotsParameters> }>(
    "/timers/:ref",
    {
      config: { roles: ["admin", "viewer"] },
      schema: {
        params: NameParameters,
        querystring: SlotsParameters,
        response: { 200: Type.Object({ data: TimerDetails }) },
      },
    },
    async ({ params, query }) => {
      const found = await readTimer(nameOf(params.ref), query.slots ?? slotsDefault);
      if (found === undefined) {
        throw new MissingError("timer", params.ref);
      }
      const { forecast, localText } = await loadForecaster();
      const future = forecast(found.timer, nextFiresMax);
      const zone = future.plan.kind === "valid" ? future.plan.value.schedule.zone : null;
      return {
        data: {
          ...timerAnswer(found.timer, future),
          next_fires: future.fires.map(({ scheduledMs, dueMs }) => ({
            scheduled_at: new Date(scheduledMs).toISOString(),
            local: localText(scheduledMs, zone ?? "UTC"),
            due_at: new Date(dueMs).toISOString(),
          })),
          slots: found.slots.map((slot) =>
            slotAnswer(slot, zone === null ? null : localText(slot.firstScheduledAt.getTime(), zone)),
          ),
        },
      };
    },
  );
}

interface Forecast {
  readonly plan: Decoded<TimerPlan>;
  /** Empty if it is disabled. */
  readonly fires: readonly Slot[];
  readonly nextLocal: string | null;
}

/** What evaluates schedules is loaded with the first request for it. */
async function loadForecaster(): Promise<{
  forecast: (timer: TimerEntry, countMax: number) => Forecast;
  localText: (ms: number, zone: string) => string;
}> {
  const { decodeTimer } = await import("../../model/schedules/timer-plan.ts");
  const { localText, nextFires } = await import("../../model/schedules/forecast.ts");

  const planOf = ({
    ruleId,
    ruleRef,
    triggerRef,
    params,
    sinceAt,
    calendars,
  }: TimerEntry): Decoded<TimerPlan> => {
    if (!isJsonObject(params)) return invalid("trigger_params are not a JSON object");
    const rule = { id: ruleId, ref: ruleRef, createdMs: sinceAt.getTime() };
    return decodeTimer(triggerRef, params, isJsonObject(calendars) ? { ...rule, calendars } : rule);
  };
  const forecast = (timer: TimerEntry, countMax: number): Forecast => {
    const plan = planOf(timer);
    if (plan.kind === "invalid" || !timer.isEnabled) return { plan, fires: [], nextLocal: null };
    const { executionCount, settledUntilAt } = timer;
    const afterMs = Math.max(Date.now(), settledUntilAt?.getTime() ?? 0);
    const fires = nextFires(plan.value, { afterMs, executionCount }, countMax);
    const [first] = fires;
    const zone = plan.value.schedule.zone;
    return {
      plan: valid(plan.value),
      fires,
      nextLocal: first === undefined ? null : localText(first.scheduledMs, zone),
    };
  };
  return { forecast, localText };
}

function timerAnswer(timer: TimerEntry, { plan, fires, nextLocal }: Forecast): Static<typeof TimerAnswer> {
  const counts = Object.entries(timer.counts).map(([outcome, count]): [string, number] => [
    outcome,
    Number(count),
  ]);
  const skipped = counts.filter(([outcome]) => outcome !== "fired" && outcome !== "late");
  const [first] = fires;
  return {
    id: idAnswer(timer.ruleId),
    rule_ref: timer.ruleRef,
    label: timer.label,
    pack_ref: timer.packRef,
    trigger_ref: timer.triggerRef,
    trigger_params: timer.params,
    enabled: timer.isEnabled,
    state: stateOf(timer, plan, first),
    problem: plan.kind === "invalid" ? plan.problem : timer.problem,
    note: plan.kind === "valid" ? plan.value.note : null,
    timezone: plan.kind === "valid" ? plan.value.schedule.zone : null,
    next_fire_at: first === undefined ? null : new Date(first.scheduledMs).toISOString(),
    next_fire_local: nextLocal,
    last_scheduled_at: instantAnswer(timer.lastScheduledAt),
    last_fired_at: instantAnswer(timer.lastFiredAt),
    execution_count: timer.executionCount,
    skipped_count: skipped.reduce((sum, [, count]) => sum + count, 0),
    counts: Object.fromEntries(counts),
    since: instantAnswer(timer.sinceAt),
    settled_until: instantAnswer(timer.settledUntilAt),
    created: instantAnswer(timer.createdAt),
    updated: instantAnswer(timer.updatedAt),
  };
}

function stateOf(
  { isEnabled }: TimerEntry,
  plan: Decoded<TimerPlan>,
  first: Slot | undefined,
): (typeof timerStates)[number] {
  if (plan.kind === "invalid") return "invalid";
  if (!isEnabled) return "disabled";
  const { pausedUntilMs } = plan.value;
  if (pausedUntilMs !== null && pausedUntilMs > Date.now()) return "paused";
  return first === undefined ? "finished" : "waiting";
}

function slotAnswer(slot: SlotEntry, local: string | null): Static<typeof SlotAnswer> {
  return {
    outcome: slot.outcome,
    reason: slot.reason,
    scheduled_at: instantAnswer(slot.firstScheduledAt),
    local,
    last_scheduled_at: instantAnswer(slot.lastScheduledAt),
    slots: slot.slots,
    counted: slot.isCounted,
    late_seconds: slot.lateSeconds,
    fired_at: instantAnswer(slot.firedAt),
    event: idAnswer(slot.event),
  };
}

/** How explanations of events, rules and sensors are written in answers. */
import { Type, type Static } from "typebox";
import type { Id } from "../model/identifiers.ts";
import type { EventExplanation, ExplainedEvent, RuleExplanation } from "../model/rules/explain-event.ts";
import type { RuleEventsExplanation } from "../model/rules/explain-events-of-rule.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "./answers.ts";

/** Satisfied by diagnosis/event-explanation.ts. */
export interface StoredExplanation extends EventExplanation {
  readonly event: ExplainedEvent | null;
}

/** Satisfied by diagnosis/sensor-explanation.ts. */
export interface SensorExplanation {
  readonly answer: string;
  readonly state: "good" | "notice" | "wrong" | undefined;
  readonly notes: readonly string[];
  readonly lastEvent: { readonly id: Id; readonly createdAt: Date } | null;
  readonly fenced: {
    readonly events: number;
    readonly since: Date;
    readonly lastAt: Date;
    readonly workerName: string | null;
  } | null;
  readonly rejected: readonly string[];
}

const Answer = Type.String({ description: "The answer in one sentence" });
const Notes = Type.Array(Type.String());

const FailureAnswer = Type.Object({
  place: Type.String({ description: "Such as `conditions.all[1]`" }),
  path: Type.Array(Type.String()),
  operator: Type.String(),
  expected: Type.Optional(Type.Unknown({ description: "Left out: the condition has no value" })),
  seen: Type.Optional(Type.Unknown({ description: "Left out: the field is missing" })),
  excluded: Type.Boolean({ description: "It holds, inside a `not`" }),
  sentence: Type.String(),
  hint: orNull(Type.String()),
});

export const RuleExplanationAnswer = Type.Object({
  rule: orNull(IdAnswer),
  rule_ref: Type.String(),
  version: orNull(IdAnswer),
  verdict: Type.Enum([
    "matched",
    "unmatched",
    "invalid",
    "disabled",
    "other-trigger",
    "aimed-elsewhere",
    "too-long",
    "not-yet",
    "deleted",
    "unknown",
  ]),
  sentence: Type.String(),
  failures: Type.Array(FailureAnswer),
  would_match_if: orNull(Type.String()),
  parameters: orNull(Type.Unknown({ description: "The action's parameters, rendered" })),
  enforcement: orNull(
    Type.Object({
      id: IdAnswer,
      status: Type.String(),
      created: InstantAnswer,
      message: Type.Enum(["confirmed", "owed", "refused"], {
        description: "Whether the broker has confirmed its message",
      }),
      owed_since: orNull(InstantAnswer),
      refusal: orNull(Type.String()),
    }),
  ),
});

export const EventExplanationAnswer = Type.Object({
  answer: Answer,
  notes: Notes,
  event: orNull(
    Type.Object({
      id: IdAnswer,
      trigger_ref: Type.String(),
      source_ref: orNull(Type.String()),
      rule_ref: orNull(Type.String({ description: "The only rule it was meant for" })),
      dedup_key: orNull(Type.String()),
      created: InstantAnswer,
      matched_revision: orNull(IdAnswer),
      payload: Type.Unknown(),
    }),
  ),
  rules: Type.Array(RuleExplanationAnswer),
});

export const RuleEventsAnswer = Type.Object({
  answer: Answer,
  rule_ref: Type.String(),
  trigger_ref: orNull(Type.String()),
  matched: Type.Integer(),
  examined: Type.Integer({ description: "Events of its trigger" }),
  last_match: orNull(IdAnswer),
  groups: Type.Array(
    Type.Object({
      kind: Type.String(),
      reason: Type.String(),
      events: Type.Integer(),
      example: IdAnswer,
      example_at: InstantAnswer,
      would_match_if: orNull(Type.String()),
    }),
    { description: "Why the others did not match, the most frequent reason first" },
  ),
});

export const SensorExplanationAnswer = Type.Object({
  answer: Answer,
  sensor_ref: Type.String(),
  state: orNull(Type.Enum(["good", "notice", "wrong"])),
  notes: Notes,
  last_event: orNull(Type.Object({ id: IdAnswer, created: InstantAnswer })),
  fenced: orNull(
    Type.Object(
      {
        events: Type.Integer(),
        since: InstantAnswer,
        last: InstantAnswer,
        worker: orNull(Type.String()),
      },
      { description: "Its events that were refused because the worker had lost it to another one" },
    ),
  ),
  rejected: Type.Array(Type.String(), {
    description:
      "Output in the end of its log that became no event, by the reason: how many lines, from when to when, and the newest; the newest reason first",
  }),
});

export function eventExplanationAnswer({
  answer,
  notes,
  event,
  rules,
}: StoredExplanation): Static<typeof EventExplanationAnswer> {
  return {
    answer,
    notes: [...notes],
    event:
      event === null
        ? null
        : {
            id: idAnswer(event.id),
            trigger_ref: event.triggerRef,
            source_ref: event.sourceRef,
            rule_ref: event.ruleRef,
            dedup_key: event.dedupKey,
            created: instantAnswer(event.createdAt),
            matched_revision: idAnswer(event.matchedRevision),
            payload: event.payload,
          },
    rules: rules.map(ruleExplanationAnswer),
  };
}

export function ruleExplanationAnswer(rule: RuleExplanation): Static<typeof RuleExplanationAnswer> {
  const { story, fate } = rule;
  const failures = story.kind === "unmatched" ? story.failures : [];
  return {
    rule: idAnswer(rule.ruleId),
    rule_ref: rule.ruleRef,
    version: idAnswer(rule.version),
    verdict: story.kind,
    sentence: rule.sentence,
    failures: failures.map(({ path, isExcluded, hint, expected, seen, ...failure }) => ({
      ...failure,
      path: [...path],
      ...(expected === undefined ? {} : { expected }),
      ...(seen === undefined ? {} : { seen }),
      excluded: isExcluded,
      hint: hint ?? null,
    })),
    would_match_if: (story.kind === "unmatched" ? story.counterfactual : undefined) ?? null,
    parameters: story.kind === "matched" ? story.config : null,
    enforcement:
      fate === null
        ? null
        : {
            id: idAnswer(fate.id),
            status: fate.status,
            created: instantAnswer(fate.createdAt),
            message: fate.owedSince === null ? "confirmed" : fate.refusal === null ? "owed" : "refused",
            owed_since: instantAnswer(fate.owedSince),
            refusal: fate.refusal,
          },
  };
}

export function ruleEventsAnswer(
  ref: string,
  explanation: RuleEventsExplanation,
): Static<typeof RuleEventsAnswer> {
  return {
    answer: explanation.answer,
    rule_ref: ref,
    trigger_ref: explanation.triggerRef,
    matched: explanation.matched,
    examined: explanation.examined,
    last_match: idAnswer(explanation.lastMatch),
    groups: explanation.groups.map(({ kind, reason, events, example, exampleAt, counterfactual }) => ({
      kind,
      reason,
      events,
      example: idAnswer(example),
      example_at: instantAnswer(exampleAt),
      would_match_if: counterfactual ?? null,
    })),
  };
}

export function sensorExplanationAnswer(
  ref: string,
  { answer, state, notes, lastEvent, fenced, rejected }: SensorExplanation,
): Static<typeof SensorExplanationAnswer> {
  return {
    answer,
    sensor_ref: ref,
    state: state ?? null,
    notes: [...notes],
    last_event:
      lastEvent === null ? null : { id: idAnswer(lastEvent.id), created: instantAnswer(lastEvent.createdAt) },
    fenced:
      fenced === null
        ? null
        : {
            events: fenced.events,
            since: instantAnswer(fenced.since),
            last: instantAnswer(fenced.lastAt),
            worker: fenced.workerName,
          },
    rejected: [...rejected],
  };
}

/**
 * `…/explain`: why an event matched which rules, why a rule matched which events, and why a sensor reports none; and
 * `…/test`: whether a rule matches a payload.
 */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { Id } from "../../model/identifiers.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import type { RuleExplanation } from "../../model/rules/explain-event.ts";
import type { RuleEventsExplanation } from "../../model/rules/explain-events-of-rule.ts";
import { NameParameters } from "../definitions/schemas.ts";
import { invalidParameter, MissingError } from "../errors.ts";
import {
  eventExplanationAnswer,
  EventExplanationAnswer,
  ruleEventsAnswer,
  RuleEventsAnswer,
  ruleExplanationAnswer,
  RuleExplanationAnswer,
  sensorExplanationAnswer,
  SensorExplanationAnswer,
  type SensorExplanation,
  type StoredExplanation,
} from "../explanation-answers.ts";
import { Text } from "../validation.ts";

export interface Explanations {
  readonly explainEvent: (id: Id, ruleRef: string | undefined) => Promise<StoredExplanation>;
  readonly explainDedupKey: (question: {
    readonly triggerRef: string;
    readonly dedupKey: string;
    readonly ruleRef: string | undefined;
  }) => Promise<StoredExplanation>;
  readonly explainRule: (ref: string, eventsMax: number) => Promise<RuleEventsExplanation>;
  /** Undefined: there is no such rule. */
  readonly tryRule: (ref: string, payload: JsonObject) => Promise<RuleExplanation | undefined>;
}

export interface SensorExplanations {
  readonly explainSensor: (ref: string, signal: AbortSignal) => Promise<SensorExplanation>;
}

const EventParameters = Type.Object({
  id: Type.String({ description: "Id", pattern: String.raw`^\d{1,18}$` }),
});
const AboutRule = { rule: Type.Optional(Text("Ref of the rule that the question is about")) };
const KeyParameters = Type.Object({
  ...AboutRule,
  trigger_ref: Text("Trigger of the event"),
  dedup_key: Text("Key of the event"),
});
const eventsDefault = 100;
const RuleParameters = Type.Object({
  limit: Type.Optional(
    Type.Integer({
      description: `How many of the last events, ${eventsDefault} by default`,
      minimum: 1,
      maximum: 1_000,
    }),
  ),
});

const TestBody = Type.Object(
  { payload: Type.Unknown({ description: "An object, as in an event of the rule's trigger" }) },
  { additionalProperties: false },
);

const roles = ["admin", "viewer"] as const;

export function addExplanationRoutes(
  scope: FastifyInstance,
  { explanations }: { readonly explanations: Explanations },
): void {
  const response = { 200: Type.Object({ data: EventExplanationAnswer }) };

  scope.get<{
    Params: Static<typeof EventParameters>;
    Querystring: Static<ReturnType<typeof Type.Object<typeof AboutRule>>>;
  }>(
    "/events/:id/explain",
    {
      config: { roles },
      schema: { params: EventParameters, querystring: Type.Object(AboutRule), response },
    },
    async ({ params, query }) => ({
      data: eventExplanationAnswer(await explanations.explainEvent(params.id, query.rule)),
    }),
  );

  scope.get<{ Querystring: Static<typeof KeyParameters> }>(
    "/events/explain",
    { config: { roles }, schema: { querystring: KeyParameters, response } },
    async ({ query }) => ({
      data: eventExplanationAnswer(
        await explanations.explainDedupKey({
          triggerRef: query.trigger_ref,
          dedupKey: query.dedup_key,
          ruleRef: query.rule,
        }),
      ),
    }),
  );

  scope.get<{ Params: NameParameters; Querystring: Static<typeof RuleParameters> }>(
    "/rules/:ref/explain",
    {
      config: { roles },
      schema: {
        params: NameParameters,
        querystring: RuleParameters,
        response: { 200: Type.Object({ data: RuleEventsAnswer }) },
      },
    },
    async ({ params: { ref }, query }) => ({
      data: ruleEventsAnswer(ref, await explanations.explainRule(ref, query.limit ?? eventsDefault)),
    }),
  );

  scope.post<{ Params: NameParameters; Body: Static<typeof TestBody> }>(
    "/rules/:ref/test",
    {
      config: { roles },
      schema: {
        description:
          "Whether the rule as it is now, enabled or not, matches an event with that payload. Stores nothing.",
        params: NameParameters,
        body: TestBody,
        response: { 200: Type.Object({ data: RuleExplanationAnswer }) },
      },
    },
    async ({ params: { ref }, body: { payload } }) => {
      if (!isJsonObject(payload)) throw invalidParameter("payload", "must be a JSON object");
      const explanation = await explanations.tryRule(ref, payload);
      if (explanation === undefined) throw new MissingError("rule", ref);
      return { data: ruleExplanationAnswer(explanation) };
    },
  );
}

export function addSensorExplanationRoutes(
  scope: FastifyInstance,
  { explainSensor }: SensorExplanations,
): void {
  scope.get<{ Params: NameParameters }>(
    "/sensors/:ref/explain",
    {
      config: { roles },
      schema: {
        params: NameParameters,
        response: { 200: Type.Object({ data: SensorExplanationAnswer }) },
      },
    },
    async ({ params: { ref }, signal }) => ({
      data: sensorExplanationAnswer(ref, await explainSensor(ref, signal)),
    }),
  );
}

/** Enforcements that are added to an event after it was stored; those of a new event are stored with it (batches.ts). */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { noValue, type Statement } from "../statement.ts";
import { copiedPayload } from "./batches.ts";

/** One match of one rule with an event that is already stored. */
export interface EnforcementToStore {
  readonly id: Id;
  readonly messageId: string;
  readonly ruleId: Id;
  readonly ruleRef: string;
  readonly actionId: Id | null;
  readonly actionRef: string;
  readonly config: JsonValue;
  readonly condition: "all" | "any";
  readonly conditionsJson: string;
}

export interface EnforcementsToStore {
  readonly eventId: Id;
  readonly enforcements: readonly EnforcementToStore[];
  /** The revisions of triggers, by ref, that they were matched at; empty to store them whatever the current rules are. */
  readonly triggerRevisions: Readonly<Record<string, Id>>;
  /** The event that a replay repeats; null if this is no replay. */
  readonly replayedFrom: Id | null;
  /** The instance that publishes the messages; null leaves them to a sweeper. */
  readonly publisherInstance: string | null;
}

export interface StoredEnforcements {
  /** False if the rules have changed since; then nothing was stored. */
  readonly isCurrent: boolean;
  readonly storedAt: Date;
  /** The enforcements that were not there before. */
  readonly storedIds: readonly Id[];
}

/** Nobody else adds enforcements to this event until the transaction ends. */
export const takeTurnAtEvent: Statement<{ readonly eventId: Id }, void> = {
  name: "take_turn_at_event",
  text: `
    select pg_advisory_xact_lock(hashtextextended(current_schema() || ' event ' || $1::bigint, 0))`,
  values: ({ eventId }) => [eventId],
  decode: noValue,
};

/**
 * Adds enforcements to a stored event, with their messages. The caller has the turn at the event (takeTurnAtEvent).
 *
 * There is one per rule and event, even if several agents store them at the same time: an existing enforcement stays
 * as it is and gets no second message. A key of the table ensures that only within a partition. The event's trigger is
 * locked in share mode, as in store_batch, so that no enforcement of an older rule is stored after the rule has changed.
 */
export const storeEnforcements: Statement<EnforcementsToStore, StoredEnforcements> = {
  name: "store_enforcements",
  text: `
    with rules_held as materialized (
      select
       where are_rules_current($3::jsonb)
    ), matched as materialized (
      select match.*, event.trigger_ref, event.payload, event.id as event
        from jsonb_to_recordset($2::jsonb)
             as match (id bigint, message_id uuid, rule bigint, rule_ref text, action bigint,
                       action_ref text, config jsonb, condition enforcement_condition_enum, conditions jsonb)
        join event on event.id = $1
       where exists (select from rules_held)
         and not exists (select
                           from enforcement as present
                          where present.event = $1
                            and present.rule = match.rule)
       order by match.rule
    ), enforced as (
      insert into enforcement (id, rule, rule_ref, trigger_ref, action, action_ref, event, config, payload,
                               condition, conditions, replayed_from)
      select id, rule, rule_ref, trigger_ref, action, action_ref, event, config, ${copiedPayload("payload")},
             condition, conditions, $4
        from matched
      on conflict do nothing
      returning id
    ), owed as (
      insert into outbox (message_id, routing_key, enforcement, instance, bytes)
      select matched.message_id, 'enforcement.created', matched.id, $5::uuid,
             octet_length(matched.payload::text) + octet_length(matched.config::text)
        from matched
        join enforced using (id)
    )
    select exists (select from rules_held) as is_current, now() as stored_at,
           (select coalesce(jsonb_agg(id::text order by id), '[]') from enforced) as stored`,
  values: ({ eventId, enforcements, triggerRevisions, replayedFrom, publisherInstance }) => [
    eventId,
    JSON.stringify(
      enforcements.map(({ messageId, ruleId, ruleRef, actionId, actionRef, conditionsJson, ...match }) => ({
        ...match,
        conditions: parseJson(conditionsJson),
        message_id: messageId,
        rule: ruleId,
        rule_ref: ruleRef,
        action: actionId,
        action_ref: actionRef,
      })),
    ),
    JSON.stringify(triggerRevisions),
    replayedFrom,
    publisherInstance,
  ],
  decode: (row) => ({
    isCurrent: row.boolean("is_current"),
    storedAt: row.instant("stored_at"),
    storedIds: row.texts("stored"),
  }),
};

/** The enforcements of an event for these rules, in order of rule. */
export const findEnforcements: Statement<
  { readonly eventId: Id; readonly ruleIds: readonly Id[] },
  { readonly id: Id }
> = {
  name: "find_enforcements",
  text: `
    select id
      from enforcement
     where event = $1
       and rule = any ($2::bigint[])
     order by rule`,
  values: ({ eventId, ruleIds }) => [eventId, ruleIds],
  decode: (row) => ({ id: row.id("id") }),
};

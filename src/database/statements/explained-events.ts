/** Events with their enforcements and messages, to explain why they matched or not. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import type { ExplainedEvent } from "../../model/rules/explain-event.ts";
import type { Row, Statement } from "../statement.ts";

const eventColumns = `event.id, event.trigger_ref, coalesce(event.payload, '{}') as payload, event.source_ref, event.rule_ref,
           event.occurred_at, event.dedup_key, event.created, event.matched_revision, event.replayed_from`;

function matchedEvent(row: Row): ExplainedEvent {
  return {
    id: row.id("id"),
    triggerRef: row.text("trigger_ref"),
    payload: row.jsonObject("payload"),
    sourceRef: row.textOrNull("source_ref"),
    ruleRef: row.textOrNull("rule_ref"),
    occurredAt: row.instantOrNull("occurred_at"),
    dedupKey: row.textOrNull("dedup_key"),
    createdAt: row.instant("created"),
    matchedRevision: row.idOrNull("matched_revision"),
    replayedFrom: row.idOrNull("replayed_from"),
  };
}

export const readMatchedEvent: Statement<Id, ExplainedEvent> = {
  name: "read_matched_event",
  text: `
    select ${eventColumns}
      from event
     where event.id = $1`,
  values: (id) => [id],
  decode: matchedEvent,
};

/** The newest events of a trigger, with the enforcement of one rule if there is one. */
export const readEventsForRule: Statement<
  { readonly triggerRef: string; readonly ruleId: Id; readonly countMax: number },
  ExplainedEvent & { readonly enforcementId: Id | null }
> = {
  name: "read_events_for_rule",
  text: `
    select ${eventColumns},
           (select enforcement.id from enforcement where enforcement.event = event.id and enforcement.rule = $2) as enforcement
      from (select *
              from event
             where trigger_ref = $1
             order by created desc, id desc
             limit $3) as event
     order by event.created desc, event.id desc`,
  values: ({ triggerRef, ruleId, countMax }) => [triggerRef, ruleId, countMax],
  decode: (row) => ({ ...matchedEvent(row), enforcementId: row.idOrNull("enforcement") }),
};

export interface StoredEnforcement {
  readonly id: Id;
  readonly ruleId: Id | null;
  readonly ruleRef: string;
  readonly status: string;
  readonly createdAt: Date;
  /** A replay has added it to an event that was stored before. */
  readonly isAdded: boolean;
  readonly config: JsonObject;
}

export const readEnforcementsOfEvent: Statement<Id, StoredEnforcement> = {
  name: "read_enforcements_of_event",
  text: `
    select id, rule, rule_ref, status::text as status, created, coalesce(config, '{}') as config,
           replayed_from is not distinct from event as is_added
      from enforcement
     where event = $1
     order by rule`,
  values: (eventId) => [eventId],
  decode: (row) => ({
    id: row.id("id"),
    ruleId: row.idOrNull("rule"),
    ruleRef: row.text("rule_ref"),
    status: row.text("status"),
    createdAt: row.instant("created"),
    isAdded: row.boolean("is_added"),
    config: row.jsonObject("config"),
  }),
};

export interface OwedMessage {
  readonly messageId: string;
  readonly since: Date;
  /** Why the broker refused it last; null if it has not. */
  readonly refusal: string | null;
}

/** Those of these messages that the broker has not confirmed yet; a confirmed message is deleted from the outbox. */
export const readOwedMessages: Statement<readonly string[], OwedMessage> = {
  name: "read_owed_messages_of_event",
  text: `
    select message_id, created,
           case when refused is not null then coalesce(refusal, 'a queue had no room') end as refusal
      from outbox
     where message_id = any ($1::uuid[])`,
  values: (messageIds) => [messageIds],
  decode: (row) => ({
    messageId: row.text("message_id"),
    since: row.instant("created"),
    refusal: row.textOrNull("refusal"),
  }),
};

export interface IdRange {
  /** The lowest that retention has left; null: there is none. */
  readonly lowest: Id | null;
  /** The highest id that was ever reserved. */
  readonly reserved: Id;
}

/** To tell an event that was dropped from one that never was. Stray rows say nothing about what was dropped. */
export const readEventIdRange: Statement<void, IdRange> = {
  name: "read_event_id_range",
  text: `
    select (select min(id) from event where tableoid <> 'event_default'::regclass) as lowest,
           coalesce(pg_sequence_last_value('event_id_seq'::regclass), 0) as reserved`,
  values: () => [],
  decode: (row) => ({ lowest: row.idOrNull("lowest"), reserved: row.id("reserved") }),
};

export interface KeyHolder {
  readonly eventId: Id;
  readonly sourceRef: string | null;
  readonly claimedAt: Date;
}

/** The events of a trigger that hold a dedup key, the newest first: one for each source. */
export const readKeyHolders: Statement<
  { readonly triggerRef: string; readonly dedupKey: string },
  KeyHolder
> = {
  name: "read_key_holders",
  text: `
    select distinct on (known.created, known.event) known.event, nullif(known.source_ref, '') as source_ref, known.created
      from (select '' as ref
             union
            select ref from sensor) as source
      join event_key_known as known
        on known.trigger_ref = $1
       and known.source_ref = source.ref
       and known.dedup_key = $2
     order by known.created desc, known.event
     limit 20`,
  values: ({ triggerRef, dedupKey }) => [triggerRef, dedupKey],
  decode: (row) => ({
    eventId: row.id("event"),
    sourceRef: row.textOrNull("source_ref"),
    claimedAt: row.instant("created"),
  }),
};

export interface TriggerNow {
  readonly isEnabled: boolean;
  /** The sensors that serve it. */
  readonly sensorRefs: readonly string[];
}

/** No row: there is no such trigger. */
export const readTriggerNow: Statement<string, TriggerNow> = {
  name: "read_trigger_now",
  text: `
    select trigger.enabled,
           array(select sensor.ref
                   from sensor
                  where sensor.trigger_ref = trigger.ref
                     or exists (select
                                  from sensor_trigger
                                 where sensor_trigger.sensor = sensor.id
                                   and sensor_trigger.trigger = trigger.id)
                  order by sensor.ref
                  limit 20) as sensors
      from trigger
     where trigger.ref = $1`,
  values: (ref) => [ref],
  decode: (row) => ({ isEnabled: row.boolean("enabled"), sensorRefs: row.texts("sensors") }),
};

/** The newest event that a sensor reported, among the newest of its triggers. */
export const readLastEventOfSensor: Statement<
  { readonly sensorRef: string; readonly triggerRefs: readonly string[] },
  { readonly id: Id; readonly createdAt: Date; readonly secondsAgo: number }
> = {
  name: "read_last_event_of_sensor",
  text: `
    select recent.id, recent.created, extract(epoch from now() - recent.created)::double precision as seconds_ago
      from unnest($2::text[]) as served (ref)
     cross join lateral (
           select id, created, source_ref
             from event
            where event.trigger_ref = served.ref
            order by created desc, id desc
            limit 1000) as recent
     where recent.source_ref = $1
     order by recent.created desc, recent.id desc
     limit 1`,
  values: ({ sensorRef, triggerRefs }) => [sensorRef, triggerRefs],
  decode: (row) => ({
    id: row.id("id"),
    createdAt: row.instant("created"),
    secondsAgo: row.number("seconds_ago"),
  }),
};

/**
 * Reads rows for `verify`. The statements of one page run in one snapshot, so rows that were committed together are seen
 * together.
 */
import assert from "node:assert/strict";
import type { Id } from "../../model/identifiers.ts";
import { listOf, objectOf, type JsonObject } from "../../model/json/json.ts";
import { noRows, type Statement } from "../statement.ts";

export interface VerificationBounds {
  /** The lowest event that retention has left; null: there is none. */
  readonly firstEvent: Id | null;
  /** Where the events to verify begin. */
  readonly startEvent: Id | null;
  readonly lastEvent: Id | null;
}

/** Stray rows have ids of their own; what was kept of events is judged by the others. */
export const readBounds: Statement<{ readonly since: Date | null }, VerificationBounds> = {
  name: "read_verification_bounds",
  text: `
    select (select min(id) from event where tableoid <> 'event_default'::regclass) as first_event,
           case when $1::timestamptz is null then (select min(id) from event)
                -- Ids are reserved before they are used, so the first in time is only near the lowest.
                else (select min(id)
                        from (select id from event where created >= $1 order by created, id limit 10000) as earliest)
           end as start_event,
           (select max(id) from event) as last_event`,
  values: ({ since }) => [since],
  decode: (row) => ({
    firstEvent: row.idOrNull("first_event"),
    startEvent: row.idOrNull("start_event"),
    lastEvent: row.idOrNull("last_event"),
  }),
};

export interface VerifiedEvent {
  readonly id: Id;
  readonly triggerRef: string;
  readonly ruleRef: string | null;
  readonly sourceRef: string | null;
  readonly occurredAt: Date | null;
  readonly payload: JsonObject;
  readonly hasPayload: boolean;
  readonly matchedRevision: Id | null;
  readonly isRevisionAhead: boolean;
  readonly lacksKey: boolean;
}

export interface EventPage {
  readonly after: Id;
  readonly countMax: number;
  /** Of payloads, as stored. */
  readonly bytesMax: number;
  /** Keys of events from then on are remembered; null: none. */
  readonly keysSince: Date | null;
}

/** At least one event, if there is one. */
export const readEventsToVerify: Statement<EventPage, VerifiedEvent> = {
  name: "read_events_to_verify",
  text: `
    with page as materialized (
      select id, trigger_ref, rule_ref, source_ref, occurred_at, dedup_key, payload, created, matched_revision,
             pg_column_size(payload) as bytes
        from event
       where id > $1
       order by id
       limit $2
    ), measured as (
      select page.*, sum(coalesce(bytes, 0)) over (order by id) - coalesce(bytes, 0) as bytes_before
        from page
    )
    select id, trigger_ref, rule_ref, source_ref, occurred_at, coalesce(payload, '{}') as payload,
           payload is not null as has_payload, matched_revision,
           coalesce(matched_revision > (select value from rule_revision), false) as is_revision_ahead,
           dedup_key is not null
           and created >= $4::timestamptz
           -- Not with "not exists", which may be planned as a join that reads the whole table.
           and (select known.event
                  from event_key_known as known
                 where known.trigger_ref = measured.trigger_ref
                   and known.source_ref = coalesce(measured.source_ref, '')
                   and known.dedup_key = measured.dedup_key
                 limit 1) is null as lacks_key
      from measured
     where bytes_before < $3
     order by id`,
  values: ({ after, countMax, bytesMax, keysSince }) => [after, countMax, bytesMax, keysSince],
  decode: (row) => ({
    id: row.id("id"),
    triggerRef: row.text("trigger_ref"),
    ruleRef: row.textOrNull("rule_ref"),
    sourceRef: row.textOrNull("source_ref"),
    occurredAt: row.instantOrNull("occurred_at"),
    payload: row.jsonObject("payload"),
    hasPayload: row.boolean("has_payload"),
    matchedRevision: row.idOrNull("matched_revision"),
    isRevisionAhead: row.boolean("is_revision_ahead"),
    lacksKey: row.json("lacks_key") === true,
  }),
};

export interface VerifiedEnforcement {
  readonly id: Id;
  readonly eventId: Id;
  readonly ruleId: Id | null;
  readonly ruleRef: string;
  readonly triggerRef: string;
  readonly hasPayload: boolean;
  readonly isReplayed: boolean;
}

/** The enforcements of events with ids above `after`, up to `until`; null: without a limit. */
export const readEnforcementsToVerify: Statement<
  { readonly after: Id; readonly until: Id | null; readonly countMax: number },
  VerifiedEnforcement
> = {
  name: "read_enforcements_to_verify",
  text: `
    select id, event, rule, rule_ref, trigger_ref, payload is not null as has_payload,
           replayed_from is not null as is_replayed
      from enforcement
     where event > $1
       and event <= coalesce($2, 9223372036854775807)
     order by event, id
     limit $3`,
  values: ({ after, until, countMax }) => [after, until, countMax],
  decode: (row) => ({
    id: row.id("id"),
    eventId: row.id("event"),
    ruleId: row.idOrNull("rule"),
    ruleRef: row.text("rule_ref"),
    triggerRef: row.text("trigger_ref"),
    hasPayload: row.boolean("has_payload"),
    isReplayed: row.boolean("is_replayed"),
  }),
};

export interface TriggerVersion {
  readonly ruleId: Id;
  readonly revision: Id;
  /** Null: deleted. */
  readonly definition: JsonObject | null;
}

/** Every version that matters to matching of the rules that are or were on a trigger, the oldest first. */
export const readTriggerVersions: Statement<{ readonly triggerRef: string }, TriggerVersion> = {
  name: "read_trigger_versions",
  text: `
    select rule, revision, definition
      from rule_version
     where is_effective
       and rule in (select rule from rule_version where trigger_ref = $1)
     order by id`,
  values: ({ triggerRef }) => [triggerRef],
  decode: (row) => ({
    ruleId: row.id("rule"),
    revision: row.id("revision"),
    definition: row.jsonObjectOrNull("definition"),
  }),
};

export interface VerifiedMessage {
  readonly messageId: string;
  readonly routingKey: string;
  readonly eventId: Id | null;
  readonly enforcementId: Id | null;
  readonly hasBody: boolean;
  readonly isRowThere: boolean;
}

export const readMessagesToVerify: Statement<
  { readonly after: string; readonly countMax: number },
  VerifiedMessage
> = {
  name: "read_messages_to_verify",
  text: `
    select message_id, routing_key, event, enforcement, body is not null as has_body,
           body is not null
           or exists (select from event where event.id = page.event)
           or exists (select from enforcement where enforcement.id = page.enforcement) as is_row_there
      from (select * from outbox where message_id > $1 order by message_id limit $2) as page
     order by message_id`,
  values: ({ after, countMax }) => [after, countMax],
  decode: (row) => ({
    messageId: row.text("message_id"),
    routingKey: row.text("routing_key"),
    eventId: row.idOrNull("event"),
    enforcementId: row.idOrNull("enforcement"),
    hasBody: row.boolean("has_body"),
    isRowThere: row.boolean("is_row_there"),
  }),
};

export interface BadCheckpoint {
  readonly sensorRef: string;
  readonly eventId: Id;
  readonly isAhead: boolean;
}

export interface VerifiedCheckpoints {
  readonly count: number;
  readonly bad: readonly BadCheckpoint[];
}

/** Bad: beyond the last id that was ever given out, or carried by another sensor's event. */
export const readCheckpoints: Statement<void, VerifiedCheckpoints> = {
  name: "read_checkpoints_to_verify",
  text: `
    with given as materialized (
      select coalesce(pg_sequence_last_value('event_id_seq'::regclass), 0) as last
    ), bad as (
      select sensor.ref, checkpoint.event::text as event, checkpoint.event > given.last as is_ahead
        from given
       cross join sensor_checkpoint as checkpoint
        join sensor on sensor.id = checkpoint.sensor
        left join event on event.id = checkpoint.event
       where checkpoint.event > given.last
          or (event.id is not null and event.source is distinct from checkpoint.sensor)
       order by sensor.ref
       limit 1000
    )
    select (select count(*) from sensor_checkpoint)::int as count,
           (select coalesce(jsonb_agg(bad), '[]') from bad) as bad`,
  values: () => [],
  decode: (row) => ({
    count: row.number("count"),
    bad: listOf(row.json("bad")).map((each) => {
      const { ref, event, is_ahead } = objectOf(each);
      assert(typeof ref === "string" && typeof event === "string", "a checkpoint has other fields");
      return { sensorRef: ref, eventId: event, isAhead: is_ahead === true };
    }),
  }),
};

export interface KeyPosition {
  readonly triggerRef: string;
  readonly sourceRef: string;
  readonly dedupKey: string;
  readonly period: Id;
}

export interface VerifiedKey extends KeyPosition {
  readonly eventId: Id;
  readonly isEventMissing: boolean;
  readonly isOtherEvent: boolean;
}

/**
 * A key that two agents claim around a change of day may have a second row, of the event that was not stored. It counts only
 * if no row of the key leads to an event.
 */
export const readKeysToVerify: Statement<
  {
    readonly after: KeyPosition;
    readonly since: Date | null;
    readonly firstEvent: Id;
    readonly countMax: number;
  },
  VerifiedKey
> = {
  name: "read_keys_to_verify",
  text: `
    select page.trigger_ref, page.source_ref, page.dedup_key, page.period, page.event,
           found.id is null
           and page.event >= $6
           and not exists (select
                             from event_key as other
                             join event on event.id = other.event
                            where other.trigger_ref = page.trigger_ref
                              and other.source_ref = page.source_ref
                              and other.dedup_key = page.dedup_key) as is_event_missing,
           found.id is not null
           and (found.trigger_ref, coalesce(found.source_ref, ''), found.dedup_key)
               is distinct from (page.trigger_ref, page.source_ref, page.dedup_key) as is_other_event
      from (select *
              from event_key
             where (trigger_ref, source_ref, dedup_key, period) > ($1, $2, $3, $4)
               and ($5::timestamptz is null or created >= $5)
             order by trigger_ref, source_ref, dedup_key, period
             limit $7) as page
      left join lateral (select id, trigger_ref, source_ref, dedup_key
                           from event
                          where event.id = page.event
                         offset 0) as found
             on true
     order by page.trigger_ref, page.source_ref, page.dedup_key, page.period`,
  values: ({ after: { triggerRef, sourceRef, dedupKey, period }, since, firstEvent, countMax }) => [
    triggerRef,
    sourceRef,
    dedupKey,
    period,
    since,
    firstEvent,
    countMax,
  ],
  decode: (row) => ({
    triggerRef: row.text("trigger_ref"),
    sourceRef: row.text("source_ref"),
    dedupKey: row.text("dedup_key"),
    period: row.id("period"),
    eventId: row.id("event"),
    isEventMissing: row.boolean("is_event_missing"),
    isOtherEvent: row.boolean("is_other_event"),
  }),
};

export interface HighestId {
  readonly table: "event" | "enforcement";
  readonly highest: Id;
}

/** Tables with an id that their sequence has still to give out. */
export const readIdsBeyondSequences: Statement<void, HighestId> = {
  name: "read_ids_beyond_sequences",
  text: `
    select name, highest
      from (select 'event' as name, (select max(id) from event) as highest
             union all
            select 'enforcement', (select max(id) from enforcement)) as stored
     where highest > coalesce(pg_sequence_last_value((name || '_id_seq')::regclass), 0)`,
  values: () => [],
  decode: (row) => ({ table: row.word("name", ["event", "enforcement"]), highest: row.id("highest") }),
};

/** Remembers the dedup key of a stored event, as storing it does. */
export const rememberKey: Statement<{ readonly eventId: Id }, never> = {
  name: "remember_key",
  text: `
    insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
    select trigger_ref, coalesce(source_ref, ''), dedup_key, floor(extract(epoch from now()) / 86400)::bigint, id
      from event
     where id = $1
       and dedup_key is not null
    on conflict do nothing`,
  values: ({ eventId }) => [eventId],
  decode: noRows,
};

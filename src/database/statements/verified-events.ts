/**
 * Reads events and enforcements for `verify`. The statements of one page run in one snapshot, so rows that were committed
 * together are seen together.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
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

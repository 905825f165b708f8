/** The versions of rules, and the events and enforcements that they explain. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { versionOperations, type Moment, type RuleVersion } from "../../model/rules/rules-at.ts";
import type { Row, Statement } from "../statement.ts";

const versionColumns = `version.id, version.rule, version.rule_ref, version.trigger_ref, version.revision, version.is_effective,
           version.operation, version.definition, version.changed_at, version.changed_by`;

function ruleVersion(row: Row): RuleVersion {
  return {
    id: row.id("id"),
    ruleId: row.id("rule"),
    ruleRef: row.text("rule_ref"),
    triggerRef: row.text("trigger_ref"),
    revision: row.id("revision"),
    isEffective: row.boolean("is_effective"),
    operation: row.word("operation", versionOperations),
    definition: row.jsonObjectOrNull("definition"),
    changedAt: row.instant("changed_at"),
    changedBy: row.text("changed_by"),
  };
}

/**
 * The version of each rule on a trigger that was in force for an event: as model/rules/rules-at.ts decides, in milliseconds.
 *
 * One scan finds their ids, so that it takes a third of the time of a search for each rule.
 */
export const readRulesAt: Statement<{ readonly triggerRef: string; readonly moment: Moment }, RuleVersion> = {
  name: "read_rules_at",
  text: `
    select ${versionColumns}
      from (select max(id) as id
              from rule_version
             where rule in (select rule from rule_version where trigger_ref = $1)
               and case when $2::bigint is null then date_trunc('milliseconds', changed_at) <= $3 or operation = 'found'
                        when is_effective then revision <= $2
                        else date_trunc('milliseconds', changed_at) <= $3
                   end
             group by rule) as in_force
      join rule_version as version
        on version.id = in_force.id
     where version.definition is not null
       and version.definition ->> 'trigger_ref' = $1
     order by version.rule`,
  values: ({ triggerRef, moment }) => [triggerRef, moment.revision, moment.at],
  decode: ruleVersion,
};

/** All versions of the rules that have or had this ref, the oldest first. */
export const readVersionsOfRef: Statement<string, RuleVersion> = {
  name: "read_versions_of_ref",
  text: `
    select ${versionColumns}
      from rule_version as version
     where version.rule in (select rule from rule_version where rule_ref = $1)
     order by version.id`,
  values: (ref) => [ref],
  decode: ruleVersion,
};

/** One version of a rule that has or had this ref. */
export const readVersion: Statement<{ readonly ref: string; readonly version: Id }, RuleVersion> = {
  name: "read_rule_version",
  text: `
    select ${versionColumns}
      from rule_version as version
     where version.id = $2
       and version.rule in (select rule from rule_version where rule_ref = $1)`,
  values: ({ ref, version }) => [ref, version],
  decode: ruleVersion,
};

/** Whom the versions of rules that this transaction changes are recorded as changed by. */
export const noteAuthor: Statement<string, null> = {
  name: "note_author",
  text: `
    select set_config('rule.changed_by', $1, true)`,
  values: (author) => [author],
  decode: () => null,
};

/**
 * Deletes versions that were replaced long ago and that no stored event needs: all events are younger than the next version.
 * The newest version of a rule stays, unless it says that the rule was deleted.
 */
export const forgetVersions: Statement<
  { readonly keptSeconds: number; readonly countMax: number },
  { readonly count: number }
> = {
  name: "forget_rule_versions",
  text: `
    with bound as materialized (
      -- A minute, because an event has the time of its transaction's start.
      select least(now() - make_interval(secs => $1), (select min(created) from event) - interval '1 minute') as at
    ), old as (
      select version.id
        from rule_version as version
       cross join bound
        left join lateral (
             select changed_at
               from rule_version as later
              where later.rule = version.rule
                and later.id > version.id
              order by later.id
              limit 1) as next
          on true
       where version.changed_at < bound.at
         and (next.changed_at < bound.at or version.definition is null and next.changed_at is null)
       order by version.changed_at
       limit $2
    ), deleted as (
      delete from rule_version
       where id in (select id from old)
      returning 1
    )
    select count(*)::int as count
      from deleted`,
  values: ({ keptSeconds, countMax }) => [keptSeconds, countMax],
  decode: (row) => ({ count: row.number("count") }),
};

/**
 * Deletes versions of refs that have very many, but for the newest and those that a stored event may need. By ref, so that a
 * rule that is deleted and made again and again counts as one.
 *
 * Like forgetVersions, it keeps the newest version of a rule, unless it says that the rule was deleted.
 */
export const boundVersions: Statement<
  { readonly keptOfRef: number; readonly countMax: number },
  { readonly count: number }
> = {
  name: "bound_rule_versions",
  text: `
    with bound as materialized (
      -- An hour: longer than a transaction that stores an event matched under an older version.
      select least(now() - interval '1 hour', (select min(created) from event) - interval '1 minute') as at
    ), crowded as materialized (
      select rule_ref
        from rule_version
       group by rule_ref
      having count(*) > $1
    ), old as (
      select version.id
        from crowded
       cross join bound
       cross join lateral (
             select id
               from rule_version
              where rule_ref = crowded.rule_ref
              order by id desc
             offset $1
              limit 1) as newest_beyond
        join rule_version as version
          on version.rule_ref = crowded.rule_ref
         and version.id <= newest_beyond.id
        left join lateral (
             select changed_at
               from rule_version as later
              where later.rule = version.rule
                and later.id > version.id
              order by later.id
              limit 1) as next
          on true
       where version.changed_at < bound.at
         and (next.changed_at < bound.at or version.definition is null and next.changed_at is null)
       limit $2
    ), deleted as (
      delete from rule_version
       where id in (select id from old)
      returning 1
    )
    select count(*)::int as count
      from deleted`,
  values: ({ keptOfRef, countMax }) => [keptOfRef, countMax],
  decode: (row) => ({ count: row.number("count") }),
};

export interface LaterRule {
  readonly id: Id;
  readonly ref: string;
  readonly firstSeenAt: Date;
  readonly firstSeenBy: string;
}

/** The rules that are on a trigger now and not among those that were, with the version that brought them there. */
export const readLaterRules: Statement<
  { readonly triggerRef: string; readonly earlierRules: readonly Id[] },
  LaterRule
> = {
  name: "read_later_rules",
  text: `
    with later as materialized (
      select id, ref
        from rule
       where trigger_ref = $1
         and id not in (select unnest($2::bigint[]))
    )
    select later.id, later.ref, first.changed_at, first.changed_by
      from later
     cross join lateral (
           select changed_at, changed_by
             from rule_version
            where rule_version.rule = later.id
              and rule_version.trigger_ref = $1
            order by rule_version.id
            limit 1) as first
     order by later.id`,
  values: ({ triggerRef, earlierRules }) => [triggerRef, earlierRules],
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    firstSeenAt: row.instant("changed_at"),
    firstSeenBy: row.text("changed_by"),
  }),
};

export interface MatchedEventRow {
  readonly id: Id;
  readonly triggerRef: string;
  readonly payload: JsonObject;
  readonly sourceRef: string | null;
  readonly ruleRef: string | null;
  readonly occurredAt: Date | null;
  readonly dedupKey: string | null;
  readonly createdAt: Date;
  /** Null: it was stored before revisions were recorded. */
  readonly matchedRevision: Id | null;
}

const eventColumns = `event.id, event.trigger_ref, coalesce(event.payload, '{}') as payload, event.source_ref, event.rule_ref,
           event.occurred_at, event.dedup_key, event.created, event.matched_revision`;

function matchedEvent(row: Row): MatchedEventRow {
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
  };
}

export const readMatchedEvent: Statement<Id, MatchedEventRow> = {
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
  MatchedEventRow & { readonly enforcementId: Id | null }
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
  readonly config: JsonObject;
}

export const readEnforcementsOfEvent: Statement<Id, StoredEnforcement> = {
  name: "read_enforcements_of_event",
  text: `
    select id, rule, rule_ref, status::text as status, created, coalesce(config, '{}') as config
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
  /** Null: there is no event. */
  readonly lowest: Id | null;
  /** The highest id that was ever reserved. */
  readonly reserved: Id;
}

/** To tell an event that was dropped from one that never was. */
export const readEventIdRange: Statement<void, IdRange> = {
  name: "read_event_id_range",
  text: `
    select (select min(id) from event) as lowest,
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

/** Refs that are like this one, to name what was probably meant. */
export const readRuleRefs: Statement<void, { readonly ref: string }> = {
  name: "read_rule_refs",
  text: `
    select ref
      from rule
     order by ref
     limit 10000`,
  values: () => [],
  decode: (row) => ({ ref: row.text("ref") }),
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

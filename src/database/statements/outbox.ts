/**
 * Messages that committed facts still owe to the broker.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Row, Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

export const forgetMessages: Statement<{ readonly messageIds: readonly string[] }, never> = {
  name: "forget_messages",
  text: `
    delete from outbox
     where message_id = any ($1::uuid[])`,
  values: ({ messageIds }) => [messageIds],
  decode: () => {
    throw new Error("a delete returns no rows");
  },
};

/** Hands what this instance has not published to whoever sweeps next. */
export const disownMessages: Statement<{ readonly instance: string }, never> = {
  name: "disown_messages",
  text: `
    update outbox
       set instance = null
     where instance = $1`,
  values: ({ instance }) => [instance],
  decode: () => {
    throw new Error("this update returns no rows");
  },
};

/**
 * Leaves these messages to whoever sweeps next: they were stored under the name of an instance that does not know it and
 * will not send them.
 */
export const releaseMessages: Statement<{ readonly messageIds: readonly string[] }, never> = {
  name: "release_messages",
  text: `
    update outbox
       set instance = null
     where message_id = any ($1::uuid[])`,
  values: ({ messageIds }) => [messageIds],
  decode: () => {
    throw new Error("this update returns no rows");
  },
};

/** One sweep at a time among all agents, so that messages about one rule are claimed in their order. */
export const trySweepLock: Statement<void, { readonly isTaken: boolean }> = {
  name: "try_sweep_lock",
  text: `select pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' outbox sweep', 0)) as taken`,
  values: () => [],
  decode: (row) => ({ isTaken: row.boolean("taken") }),
};

/** How far a sweep has come: the highest ids it has claimed. */
export interface SweepPosition {
  readonly rule: string;
  readonly other: string;
}

/** Below every id. */
export const sweepStart: SweepPosition = {
  rule: "00000000-0000-0000-0000-000000000000",
  other: "00000000-0000-0000-0000-000000000000",
};

export interface ClaimedMessage {
  readonly messageId: string;
  readonly about: "event" | "enforcement" | "rule";
}

/**
 * Takes over messages beyond a position that nobody publishes: without an instance, of an instance whose worker is dead,
 * or our own that are so old that the answer to claiming them, or the broker's, must have been lost.
 * Messages about rules are left while another live instance still owes some, so that they
 * keep their order. `skip locked` passes over rows that are being deleted this moment.
 *
 * In order of id, not of time. The ids of messages about rules count the changes as they were made; the
 * times are those at which their transactions began. And the primary key finds the next page at once,
 * however many messages hours without a broker have left. Those about rules come first: their ids are
 * the highest, so a long backlog would keep them to the end.
 */
export const claimMessages: Statement<
  { readonly instance: string; readonly countMax: number; readonly after: SweepPosition },
  ClaimedMessage
> = {
  name: "claim_messages",
  text: `
    with live as materialized (
      select instance
        from worker
       where ${isLeaseAlive("worker", "worker", "now()")}
         and instance is not null
    ), rules_are_owed as materialized (
      select
        from outbox
        join live using (instance)
       where outbox.body is not null
         and outbox.instance <> $1
       limit 1
    ), about_rules as (
      select message_id
        from outbox
       where body is not null
         and (instance is null
              or instance not in (select instance from live)
              or (instance = $1 and created < clock_timestamp() - interval '60 seconds'))
         and not exists (select from rules_are_owed)
         and message_id > $3
       order by message_id
       limit $2
         for update skip locked
    ), about_others as (
      select message_id
        from outbox
       where body is null
         and (instance is null
              or instance not in (select instance from live)
              or (instance = $1 and created < clock_timestamp() - interval '60 seconds'))
         and message_id > $4
       order by message_id
       limit $2
         for update skip locked
    ), orphaned as (
      select message_id from about_rules
       union all
      select message_id from about_others
       limit $2
    )
    update outbox
       set instance = $1
      from orphaned
     where outbox.message_id = orphaned.message_id
    returning outbox.message_id,
              case when outbox.event is not null then 'event'
                   when outbox.enforcement is not null then 'enforcement'
                   else 'rule' end as about`,
  values: ({ instance, countMax, after }) => [instance, countMax, after.rule, after.other],
  decode: (row) => ({
    messageId: row.text("message_id"),
    about: row.word("about", ["event", "enforcement", "rule"]),
  }),
};

export type OwedMessage =
  | {
      readonly about: "event";
      readonly messageId: string;
      readonly eventId: Id;
      readonly triggerId: Id | null;
      readonly triggerRef: string;
      readonly sensorId: Id | null;
      readonly sensorRef: string | null;
      readonly payload: JsonObject;
      readonly config: JsonObject;
      readonly created: Date;
    }
  | {
      readonly about: "enforcement";
      readonly messageId: string;
      readonly enforcementId: Id;
      readonly ruleId: Id | null;
      readonly ruleRef: string;
      readonly actionId: Id | null;
      readonly actionRef: string | null;
      readonly config: JsonObject;
      readonly eventId: Id;
      readonly triggerRef: string;
      readonly payload: JsonObject;
      readonly created: Date;
    }
  | {
      readonly about: "rule";
      readonly messageId: string;
      readonly routingKey: string;
      readonly body: JsonObject;
      readonly created: Date;
    }
  /** Its event or enforcement has been deleted since: there is nothing left to tell. */
  | { readonly about: "nothing"; readonly messageId: string }
  /** Not as we write them: somebody changed the row, or what it is about, by hand. */
  | { readonly about: "unreadable"; readonly messageId: string; readonly error: unknown };

/** What claimed messages say, read from the rows they are about, in order of id. */
export const readOwedMessages: Statement<{ readonly messageIds: readonly string[] }, OwedMessage> = {
  name: "read_owed_messages",
  text: `
    select outbox.message_id, outbox.routing_key, outbox.body, outbox.created as owed_at,
           event.id as event, event.trigger, event.trigger_ref, event.config, event.payload,
           event.source, event.source_ref, event.created as event_created,
           enforcement.id as enforcement, enforcement.rule, enforcement.rule_ref,
           enforcement.event as enforcement_event, enforcement.trigger_ref as enforcement_trigger_ref,
           coalesce(enforcement.payload, enforced.payload, case when enforced.id is not null then '{}'::jsonb end)
             as enforcement_payload,
           enforcement.config as enforcement_config,
           coalesce(enforcement.action, rule.action) as action,
           coalesce(enforcement.action_ref, rule.action_ref) as action_ref,
           enforcement.created as enforcement_created
      from outbox
      left join event
             on event.id = outbox.event
      left join enforcement
             on enforcement.id = outbox.enforcement
      left join event as enforced
             on enforced.id = enforcement.event
            and enforcement.payload is null
      -- Enforcements of earlier versions do not name their action.
      left join rule
             on rule.id = enforcement.rule
            and enforcement.action_ref is null
     where outbox.message_id = any ($1::uuid[])
     order by outbox.message_id`,
  values: ({ messageIds }) => [messageIds],
  decode: (row) => {
    const messageId = row.text("message_id");
    try {
      return decodeOwedMessage(messageId, row);
    } catch (error) {
      // One bad row must not keep the others from being told.
      return { about: "unreadable", messageId, error };
    }
  },
};

function decodeOwedMessage(messageId: string, row: Row): OwedMessage {
  const body = row.jsonObjectOrNull("body");
  if (body !== null) {
    return {
      about: "rule",
      messageId,
      routingKey: row.text("routing_key"),
      body,
      created: row.instant("owed_at"),
    };
  }
  const eventId = row.idOrNull("event");
  if (eventId !== null) {
    return {
      about: "event",
      messageId,
      eventId,
      triggerId: row.idOrNull("trigger"),
      triggerRef: row.text("trigger_ref"),
      sensorId: row.idOrNull("source"),
      sensorRef: row.textOrNull("source_ref"),
      payload: row.jsonObjectOrNull("payload") ?? {},
      config: row.jsonObjectOrNull("config") ?? {},
      created: row.instant("event_created"),
    };
  }
  const enforcementId = row.idOrNull("enforcement");
  const payload = row.jsonObjectOrNull("enforcement_payload");
  if (enforcementId === null || payload === null) return { about: "nothing", messageId };
  return {
    about: "enforcement",
    messageId,
    enforcementId,
    ruleId: row.idOrNull("rule"),
    ruleRef: row.text("rule_ref"),
    actionId: row.idOrNull("action"),
    actionRef: row.textOrNull("action_ref"),
    config: row.jsonObjectOrNull("enforcement_config") ?? {},
    eventId: row.id("enforcement_event"),
    triggerRef: row.text("enforcement_trigger_ref"),
    payload,
    created: row.instant("enforcement_created"),
  };
}

export interface OutboxBacklog {
  /** Above `countedMessagesMax` what the database's statistics estimate, and at least one more than that. */
  readonly depth: number;
  readonly oldestSeconds: number;
}

/** Counting the millions of messages that a long outage of the broker leaves would itself be a burden. */
export const countedMessagesMax = 10_000;

export const measureOutbox: Statement<void, OutboxBacklog> = {
  name: "measure_outbox",
  // Numbers in message ids grow, so the oldest message is among those of the lowest ids.
  text: `
    select case when count(*) <= ${countedMessagesMax} then count(*)::double precision
                else greatest(count(*), (select reltuples from pg_class where oid = 'outbox'::regclass))
           end as depth,
           coalesce(extract(epoch from clock_timestamp() - min(created)), 0)::double precision as oldest
      from (select created from outbox order by message_id limit ${countedMessagesMax} + 1) as first`,
  values: () => [],
  decode: (row) => ({ depth: row.number("depth"), oldestSeconds: row.number("oldest") }),
};

/** Reads for `verify` what refers to events: messages, checkpoints, dedup keys and sequences. */
import assert from "node:assert/strict";
import type { Id } from "../../model/identifiers.ts";
import { listOf, objectOf } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";

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

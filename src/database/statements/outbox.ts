/** Messages about committed facts that are still to be published: deleting, setting aside and counting them. */
import { noRows, type Statement } from "../statement.ts";
import { isOwned } from "./outbox-ownership.ts";

export const forgetMessages: Statement<{ readonly messageIds: readonly string[] }, never> = {
  name: "forget_messages",
  text: `
    delete from outbox
     where message_id = any ($1::uuid[])`,
  // The text of an array: as a list, each id would be searched for what has to be escaped.
  values: ({ messageIds }) => [`{${messageIds.join(",")}}`],
  decode: noRows,
};

export interface Refusal {
  readonly messageId: string;
  /** Why the broker can never accept it; null if a queue has no room for it now. */
  readonly reason: string | null;
}

/** Sets refused messages aside, so that they are retried separately. */
export const markRefused: Statement<{ readonly refusals: readonly Refusal[] }, never> = {
  name: "mark_refused",
  text: `
    update outbox
       set refused = clock_timestamp(),
           refusals = refusals + 1,
           refusal = refusing.reason
      from jsonb_to_recordset($1::jsonb) as refusing ("messageId" uuid, reason text)
     where outbox.message_id = refusing."messageId"`,
  values: ({ refusals }) => [JSON.stringify(refusals)],
  decode: noRows,
};

export interface RefusedCount {
  readonly routingKey: string;
  /** At most countedMessagesMax. */
  readonly count: number;
  /** How many of them are refused permanently. */
  readonly finalCount: number;
  /** The reason for one of those; null if there are none. */
  readonly reason: string | null;
}

/** Counting the millions of messages that a long broker outage leaves would itself be a load. */
export const countedMessagesMax = 10_000;

/** The routing keys of this owner's refused messages. */
export const countRefusedMessages: Statement<{ readonly instance: string }, RefusedCount> = {
  name: "count_refused_messages",
  text: `
    with recursive known (routing_key) as (
      (select routing_key from outbox where refused is not null order by routing_key limit 1)
       union all
      select (select routing_key
                from outbox
               where refused is not null
                 and outbox.routing_key > known.routing_key
               order by routing_key
               limit 1)
        from known
       where routing_key is not null
    )
    select known.routing_key, counted.total::double precision as total,
           counted.final::double precision as final, counted.reason
      from known
     cross join lateral (
       select count(*) as total, count(refusal) as final, max(refusal) as reason
         from (select refusal
                 from outbox
                where refused is not null
                  and outbox.routing_key = known.routing_key
                  and ${isOwned}
                limit ${countedMessagesMax}) as refused
     ) as counted
     where counted.total > 0`,
  values: ({ instance }) => [instance],
  decode: (row) => ({
    routingKey: row.text("routing_key"),
    count: row.number("total"),
    finalCount: row.number("final"),
    reason: row.textOrNull("reason"),
  }),
};

export interface OutboxBacklog {
  /** Above `countedMessagesMax`, the estimate from the database's statistics, and at least one more than that. */
  readonly depth: number;
  readonly oldestSeconds: number;
}

/** For `database.relaxed`, which plans it by the index; planned for a table that was empty, it would read and sort all of it. */
export const measureOutbox: Statement<void, OutboxBacklog> = {
  name: "measure_outbox",
  // Message ids ascend over time, so the oldest message is among the lowest ids.
  text: `
    select case when count(*) <= ${countedMessagesMax} then count(*)::double precision
                else greatest(count(*), (select reltuples from pg_class where oid = 'outbox'::regclass))
           end as depth,
           coalesce(extract(epoch from clock_timestamp() - min(created)), 0)::double precision as oldest
      from (select created from outbox order by message_id limit ${countedMessagesMax} + 1) as first`,
  values: () => [],
  decode: (row) => ({ depth: row.number("depth"), oldestSeconds: row.number("oldest") }),
};

/**
 * Messages about committed facts that are still to be published.
 *
 * A row names the instance that stored it. The table outbox_owner says for each such instance which live instance
 * publishes its messages: the instance itself while it lives, an heir once it is dead. Rows without an instance, such
 * as those about rules changed by plain SQL, belong to the instance of zeros. An instance passes to its heir as a
 * whole, by changing one row, so that its messages keep their order and their rows stay unchanged.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
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
  decode: () => {
    throw new Error("this update returns no rows");
  },
};

/** The instance of messages that no agent stored. */
const nobody = "00000000-0000-0000-0000-000000000000";

export interface Ownership {
  readonly instance: string;
  /** Whether this worker publishes at all; otherwise others publish its own messages too. */
  readonly publishes: boolean;
  /** Whether to take over messages that no live worker owns. */
  readonly inherits: boolean;
}

/**
 * Makes this worker the owner of its own messages and, if it inherits, of those that no live worker owns. Returns
 * the other instances whose messages it owns.
 *
 * Skips locked rows: another worker is taking them over.
 */
export const ownMessages: Statement<Ownership, { readonly instance: string }> = {
  name: "own_messages",
  text: `
    with live as materialized (
      select instance
        from worker
       where ${isLeaseAlive("worker", "worker", "now()")}
         and instance is not null
    ), own as (
      insert into outbox_owner (instance, owner)
      values ($1, case when $2 then $1::uuid end)
      on conflict (instance) do update
         set owner = excluded.owner,
             since = now()
       where outbox_owner.owner is distinct from excluded.owner
         and $2
    ), free as materialized (
      select instance
        from outbox_owner
       where $3
         and instance <> $1
         and owner is distinct from $1
         and (owner is null or owner not in (select instance from live))
       order by instance
         for update skip locked
    ), inherited as (
      update outbox_owner
         set owner = $1,
             since = now()
        from free
       where outbox_owner.instance = free.instance
    )
    select instance
      from outbox_owner
     where owner = $1
       and instance <> $1
     union
    select instance
      from free`,
  values: ({ instance, publishes, inherits }) => [instance, publishes, inherits],
  decode: (row) => ({ instance: row.text("instance") }),
};

/** Leaves all messages of this worker to others, because it cannot publish or is stopping. */
export const releaseMessages: Statement<{ readonly instance: string }, never> = {
  name: "release_messages",
  text: `
    update outbox_owner
       set owner = null,
           since = now()
     where owner = $1`,
  values: ({ instance }) => [instance],
  decode: () => {
    throw new Error("this update returns no rows");
  },
};

/**
 * Adds unknown instances that owe messages, such as those of agents of an earlier version, and forgets instances
 * without messages. Statements of a dead agent may arrive minutes later, hence the hour.
 *
 * Reads the whole outbox, so it must not run often.
 */
export const reviewOwners: Statement<{ readonly instance: string }, never> = {
  name: "review_owners",
  text: `
    with found as (
      insert into outbox_owner (instance, owner)
      select distinct instance, instance
        from outbox
       where instance is not null
      on conflict (instance) do nothing
    )
    delete from outbox_owner
     where owner = $1
       and instance not in ($1, '${nobody}')
       and since < now() - interval '1 hour'
       and not exists (select from outbox where outbox.instance = outbox_owner.instance)`,
  values: ({ instance }) => [instance],
  decode: () => {
    throw new Error("this delete returns no rows");
  },
};

export type OwedMessage = {
  readonly messageId: string;
  readonly routingKey: string;
  /** The instance that stored it, if any. */
  readonly instance: string | null;
} & (
  | {
      readonly about: "event";
      readonly eventId: Id;
      readonly triggerId: Id | null;
      readonly triggerRef: string;
      readonly sensorId: Id | null;
      readonly sensorRef: string | null;
      readonly payloadJson: string;
      readonly configJson: string;
      readonly created: Date;
    }
  | {
      readonly about: "enforcement";
      readonly enforcementId: Id;
      readonly ruleId: Id | null;
      readonly ruleRef: string;
      readonly actionId: Id | null;
      readonly actionRef: string | null;
      readonly configJson: string;
      readonly eventId: Id;
      readonly triggerRef: string;
      readonly payloadJson: string;
      readonly created: Date;
    }
  | { readonly about: "rule"; readonly body: JsonObject }
  /** Its event or enforcement has been deleted since, so there is nothing to publish. */
  | { readonly about: "nothing" }
  /** Cannot be decoded: the row, or its event or enforcement, was changed by hand. */
  | { readonly about: "unreadable"; readonly error: unknown }
);

export interface OwedRow {
  readonly message: OwedMessage;
  /** The approximate size of its body. */
  readonly bytes: number;
}

export interface PageLimits {
  readonly countMax: number;
  /** At least one message is read, however large. */
  readonly bytesMax: number;
}

export interface OwedPage extends PageLimits {
  /** The owner. */
  readonly instance: string;
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  /** The first of the owner's own messages to read from the table; null if it has them all in memory. */
  readonly ownFrom: string | null;
}

/** The size assumed for rows written by plain SQL. */
const bytesUsual = 2_000;

const isOwned = `coalesce(instance, '${nobody}') = any (array(select instance from outbox_owner where owner = $1))`;

/** The messages among `candidates` that fit, with their contents. Payloads stay text, to keep every digit. */
function messagesAmong(candidates: string, order: string): string {
  return `
    select page.message_id, page.routing_key, page.instance, page.body, page.bytes,
           event.id as event, event.trigger, event.trigger_ref, event.config::text as event_config,
           event.payload::text as event_payload, event.source, event.source_ref, event.created as event_created,
           enforcement.id as enforcement, enforcement.rule, enforcement.rule_ref,
           enforcement.event as enforcement_event, enforcement.trigger_ref as enforcement_trigger_ref,
           coalesce(enforcement.payload,
                    (select payload from event where id = enforcement.event))::text as enforcement_payload,
           enforcement.config::text as enforcement_config,
           enforcement.created as enforcement_created,
           -- Enforcements of earlier versions have no action.
           coalesce(enforcement.action,
                    case when enforcement.action_ref is null
                         then (select action from rule where id = enforcement.rule) end) as action,
           coalesce(enforcement.action_ref,
                    (select action_ref from rule where id = enforcement.rule)) as action_ref
      from (select candidate.*, sum(bytes) over (order by ${order}) - bytes as bytes_before
              from (${candidates}) as candidate) as page
      left join event
             on event.id = page.event
      left join enforcement
             on enforcement.id = page.enforcement
     where page.bytes_before < $3
     order by ${order.replaceAll(/\w+/g, (column) => `page.${column}`)}`;
}

const columns = `message_id, routing_key, instance, event, enforcement, body, refused,
                   coalesce(bytes, ${bytesUsual})::double precision as bytes`;

/**
 * The next pending messages of a range of ids, in order, without refused ones.
 *
 * The owner's own messages are read from `ownFrom` on, and when they are so old that the answer to storing them, or
 * the broker's confirmation, must have been lost. The primary key finds the next page immediately, however many
 * messages a long outage has left; giving both ends of the range tells the planner so.
 */
export const readOwedMessages: Statement<OwedPage, OwedRow> = {
  name: "read_owed_messages",
  text: messagesAmong(
    `
            select ${columns}
              from outbox
             where message_id >= $4
               and message_id < $5
               and refused is null
               and ${isOwned}
               and (instance is distinct from $1
                    or message_id >= $6
                    or created < clock_timestamp() - interval '60 seconds')
             order by message_id
             limit $2`,
    "message_id",
  ),
  values: ({ instance, countMax, bytesMax, from, to, ownFrom }) => [
    instance,
    countMax,
    bytesMax,
    from,
    to,
    ownFrom,
  ],
  decode: decodeOwedRow,
};

export interface RefusedPage extends PageLimits {
  readonly instance: string;
  readonly routingKey: string;
}

/** Refused messages with one routing key, least recently tried first. Permanently refused ones are retried hourly. */
export const readRefusedMessages: Statement<RefusedPage, OwedRow> = {
  name: "read_refused_messages",
  text: messagesAmong(
    `
            select ${columns}
              from outbox
             where refused is not null
               and routing_key = $4
               and ${isOwned}
               and (refusal is null or refused < clock_timestamp() - interval '1 hour')
             order by refused, message_id
             limit $2`,
    "refused, message_id",
  ),
  values: ({ instance, countMax, bytesMax, routingKey }) => [instance, countMax, bytesMax, routingKey],
  decode: decodeOwedRow,
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

function decodeOwedRow(row: Row): OwedRow {
  const messageId = row.text("message_id");
  const common = { messageId, routingKey: row.text("routing_key"), instance: row.textOrNull("instance") };
  const bytes = row.number("bytes");
  try {
    return { bytes, message: { ...common, ...decodeSubject(row) } };
  } catch (error) {
    // One bad row must not block the others.
    return { bytes, message: { ...common, about: "unreadable", error } };
  }
}

type Subject<Message = OwedMessage> = Message extends OwedMessage
  ? Omit<Message, "messageId" | "routingKey" | "instance">
  : never;

function decodeSubject(row: Row): Subject {
  const body = row.jsonObjectOrNull("body");
  if (body !== null) return { about: "rule", body };
  const eventId = row.idOrNull("event");
  if (eventId !== null) {
    return {
      about: "event",
      eventId,
      triggerId: row.idOrNull("trigger"),
      triggerRef: row.text("trigger_ref"),
      sensorId: row.idOrNull("source"),
      sensorRef: row.textOrNull("source_ref"),
      payloadJson: row.textOrNull("event_payload") ?? "{}",
      configJson: row.textOrNull("event_config") ?? "{}",
      created: row.instant("event_created"),
    };
  }
  const enforcementId = row.idOrNull("enforcement");
  if (enforcementId === null) return { about: "nothing" };
  return {
    about: "enforcement",
    enforcementId,
    ruleId: row.idOrNull("rule"),
    ruleRef: row.text("rule_ref"),
    actionId: row.idOrNull("action"),
    actionRef: row.textOrNull("action_ref"),
    configJson: row.textOrNull("enforcement_config") ?? "{}",
    eventId: row.id("enforcement_event"),
    triggerRef: row.text("enforcement_trigger_ref"),
    payloadJson: row.textOrNull("enforcement_payload") ?? "{}",
    created: row.instant("enforcement_created"),
  };
}

export interface OutboxBacklog {
  /** Above `countedMessagesMax`, the estimate from the database's statistics, and at least one more than that. */
  readonly depth: number;
  readonly oldestSeconds: number;
}

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

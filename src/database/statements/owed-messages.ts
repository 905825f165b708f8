/** Reads messages of the outbox with everything needed to publish them. */
import type { Id } from "../../model/identifiers.ts";
import { isJsonArray, type JsonObject } from "../../model/json/json.ts";
import { traceContext, type TraceContext } from "../../model/trace-context.ts";
import type { Row, Statement } from "../statement.ts";
import { isOwned } from "./outbox-ownership.ts";

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
      /** The event that a replay stored anew as this one. */
      readonly replayedFrom: Id | null;
      readonly created: Date;
      readonly trace: TraceContext | undefined;
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
      /** The event that a replay repeated. */
      readonly replayedFrom: Id | null;
      readonly created: Date;
      /** Of its event. */
      readonly trace: TraceContext | undefined;
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

/** The messages among `candidates` that fit, with their contents. Payloads stay text, to keep every digit. */
function messagesAmong(candidates: string, order: string): string {
  return `
    select page.message_id, page.routing_key, page.instance, page.body, page.bytes,
           event.id as event, event.trigger, event.trigger_ref, event.config::text as event_config,
           event.payload::text as event_payload, event.source, event.source_ref, event.created as event_created,
           event.replayed_from as event_replayed_from,
           enforcement.id as enforcement, enforcement.rule, enforcement.rule_ref,
           enforcement.event as enforcement_event, enforcement.trigger_ref as enforcement_trigger_ref,
           coalesce(enforcement.payload,
                    (select payload from event where id = enforcement.event))::text as enforcement_payload,
           enforcement.config::text as enforcement_config,
           enforcement.created as enforcement_created,
           coalesce(case when event.traceparent is not null
                         then jsonb_build_array(event.traceparent, event.tracestate) end,
                    (select jsonb_build_array(cause.traceparent, cause.tracestate)
                       from event as cause
                      where cause.id = enforcement.event
                        and cause.traceparent is not null)) as trace,
           enforcement.replayed_from as enforcement_replayed_from,
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

function traceOf(row: Row): TraceContext | undefined {
  const trace = row.json("trace");
  return isJsonArray(trace) ? traceContext(trace[0], trace[1]) : undefined;
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
      replayedFrom: row.idOrNull("event_replayed_from"),
      created: row.instant("event_created"),
      trace: traceOf(row),
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
    replayedFrom: row.idOrNull("enforcement_replayed_from"),
    created: row.instant("enforcement_created"),
    trace: traceOf(row),
  };
}

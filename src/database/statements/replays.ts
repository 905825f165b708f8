/** Reads stored events in the order of the log, and stores one anew. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { traceContext, type TraceContext } from "../../model/trace-context.ts";
import type { Row, Statement } from "../statement.ts";

/** A stored event, as far as matching it needs. */
export interface LoggedEvent {
  readonly id: Id;
  readonly triggerRef: string;
  readonly payload: JsonObject;
  readonly sourceRef: string | null;
  /** Of the only rule that it is for. */
  readonly ruleRef: string | null;
  readonly occurredAt: Date | null;
  readonly trace: TraceContext | undefined;
  /** Microseconds since 1970. */
  readonly createdUs: string;
}

export interface RuleToReplay {
  readonly ref: string;
  readonly triggerRef: string | null;
  readonly isEnabled: boolean;
}

/** By ref or id, as `rule` of a replay names it; a ref goes first. */
export const findRuleToReplay: Statement<{ readonly name: string }, RuleToReplay> = {
  name: "find_rule_to_replay",
  text: `
    select ref, trigger_ref, enabled
      from rule
     where ref = $1
        or id = $2
     order by ref = $1 desc
     limit 1`,
  values: ({ name }) => [name, /^\d{1,18}$/.test(name) ? name : null],
  decode: (row) => ({
    ref: row.text("ref"),
    triggerRef: row.textOrNull("trigger_ref"),
    isEnabled: row.boolean("enabled"),
  }),
};

const columns = `id, trigger_ref, coalesce(payload, '{}') as payload, source_ref, rule_ref, occurred_at,
           traceparent, tracestate,
           (extract(epoch from created) * 1000000)::bigint as created_us`;

function decodeLogged(row: Row): LoggedEvent {
  return {
    id: row.id("id"),
    triggerRef: row.text("trigger_ref"),
    payload: row.jsonObject("payload"),
    sourceRef: row.textOrNull("source_ref"),
    ruleRef: row.textOrNull("rule_ref"),
    occurredAt: row.instantOrNull("occurred_at"),
    trace: traceContext(row.textOrNull("traceparent"), row.textOrNull("tracestate")),
    createdUs: row.id("created_us"),
  };
}

export interface LogPage {
  /** Microseconds since 1970 and id of the event before the page. */
  readonly after: { readonly createdUs: string; readonly id: Id };
  /** Exclusive. */
  readonly until: Date;
  readonly triggerRef: string | null;
  readonly countMax: number;
  /** Of stored payloads; at least one event is read, however large. */
  readonly bytesMax: number;
}

const position = `(timestamptz 'epoch' + $1::bigint * interval '1 microsecond', $2::bigint)`;

/** The next events in order of storing, without those that a replay stored. */
function pageText(condition: string): string {
  return `
    select ${columns}
      from (select *,
                   sum(pg_column_size(payload)) over (order by created, id) - pg_column_size(payload) as bytes_before
              from (select *
                      from event
                     where (created, id) > ${position}
                       and created < $3
                       and ${condition}
                     order by created, id
                     limit $4) as next) as page
     where bytes_before is null or bytes_before < $5
     order by created, id`;
}

const values = ({ after, until, countMax, bytesMax }: LogPage): unknown[] => [
  after.createdUs,
  after.id,
  until.toISOString(),
  countMax,
  bytesMax,
];

/** Two statements, so that each has a plan by its own index. */
export function readLogPage({ triggerRef }: LogPage): Statement<LogPage, LoggedEvent> {
  return triggerRef === null
    ? { name: "read_log_page", text: pageText("replayed_from is null"), values, decode: decodeLogged }
    : {
        name: "read_log_page_of_trigger",
        text: pageText("replayed_from is null and trigger_ref = $6"),
        values: (page) => [...values(page), page.triggerRef],
        decode: decodeLogged,
      };
}

export const readLoggedEvent: Statement<{ readonly id: Id }, LoggedEvent> = {
  name: "read_logged_event",
  text: `
    select ${columns}
      from event
     where id = $1`,
  values: ({ id }) => [id],
  decode: decodeLogged,
};

/** The pairs of one of these events and a rule that has an enforcement of it. */
export const findEnforcedRules: Statement<
  { readonly eventIds: readonly Id[] },
  { readonly eventId: Id; readonly ruleId: Id }
> = {
  name: "find_enforced_rules",
  text: `
    select event, rule
      from enforcement
     where event = any ($1::bigint[])
       and rule is not null`,
  values: ({ eventIds }) => [eventIds],
  decode: (row) => ({ eventId: row.id("event"), ruleId: row.id("rule") }),
};

export interface EventCopy {
  readonly originalId: Id;
  readonly id: Id;
  readonly messageId: string;
  /** The only rule that the copy is for; null: as the original. */
  readonly rule: { readonly id: Id; readonly ref: string } | null;
  /** The revision of the event's trigger, by its ref, at which the copy was matched. */
  readonly triggerRevisions: Readonly<Record<string, Id>>;
  /** The instance that publishes the message. */
  readonly publisherInstance: string;
}

export interface CopiedEvent {
  readonly triggerId: Id | null;
  readonly sensorId: Id | null;
  readonly sensorRef: string | null;
  readonly payloadJson: string;
  readonly configJson: string;
  readonly storedAt: Date;
}

export type CopyOutcome =
  | { readonly kind: "copied"; readonly event: CopiedEvent }
  /** The rules have changed since; nothing was stored. */
  | { readonly kind: "outdated" }
  /** The original does not exist. */
  | { readonly kind: "gone" };

/**
 * Stores an event anew with its message. The transaction goes on to store its enforcements.
 *
 * The event's trigger is locked in share mode, as in store_batch. The copy has no dedup key: that is the original's.
 */
export const copyEvent: Statement<EventCopy, CopyOutcome> = {
  name: "copy_event",
  text: `
    with rules_held as materialized (
      select
       where are_rules_current($6::jsonb)
    ), copied as (
      insert into event (id, trigger, trigger_ref, config, payload, source, source_ref, rule, rule_ref,
                         occurred_at, traceparent, tracestate, matched_revision, replayed_from)
      select $2, trigger, trigger_ref, config, payload, source, source_ref,
             coalesce($4::bigint, rule), coalesce($5::text, rule_ref),
             occurred_at, traceparent, tracestate, ($6::jsonb ->> trigger_ref)::bigint, id
        from event
       where id = $1
         and exists (select from rules_held)
      returning id, trigger, source, source_ref, payload, config, created
    ), owed as (
      insert into outbox (message_id, routing_key, event, instance, bytes)
      select $3::uuid, 'event.created', id, $7::uuid, pg_column_size(payload) + pg_column_size(config)
        from copied
    )
    select case when not exists (select from rules_held) then 'outdated'
                when copied.id is null then 'gone'
                else 'copied' end as kind,
           copied.trigger, copied.source, copied.source_ref, copied.payload::text as payload,
           copied.config::text as config, copied.created
      from (select) as always
      left join copied on true`,
  values: ({ originalId, id, messageId, rule, triggerRevisions, publisherInstance }) => [
    originalId,
    id,
    messageId,
    rule?.id ?? null,
    rule?.ref ?? null,
    JSON.stringify(triggerRevisions),
    publisherInstance,
  ],
  decode: (row) => {
    const kind = row.word("kind", ["copied", "outdated", "gone"]);
    if (kind !== "copied") return { kind };
    return {
      kind,
      event: {
        triggerId: row.idOrNull("trigger"),
        sensorId: row.idOrNull("source"),
        sensorRef: row.textOrNull("source_ref"),
        payloadJson: row.textOrNull("payload") ?? "{}",
        configJson: row.textOrNull("config") ?? "{}",
        storedAt: row.instant("created"),
      },
    };
  },
};

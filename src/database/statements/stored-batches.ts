/**
 * What the database has of a batch: after a lost answer, after a conflict of ids, and for duplicates.
 */
import assert from "node:assert/strict";
import type { Id } from "../../model/identifiers.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";

/**
 * Whether a stored event is the sought one. The id alone does not prove it: after a failover or restore, a database
 * assigns ids again.
 */
const isSoughtEvent = `event.trigger_ref = sought.t
       and event.source_ref is not distinct from sought.s
       and event.payload = sought.p
       and event.dedup_key is not distinct from sought.k`;

/** JSON array: i id, m message id, t trigger_ref, s source_ref, p payload, k dedup_key. */
const sought = "jsonb_to_recordset($1::jsonb) as sought (i bigint, m uuid, t text, s text, p jsonb, k text)";

export interface FoundEvent {
  readonly id: Id;
  /** As stored, in order of rule. */
  readonly enforcements: readonly FoundEnforcement[];
}

export interface FoundEnforcement {
  readonly id: Id;
  readonly ruleRef: string;
  readonly config: JsonObject;
}

/** Which of these events are stored, and with which enforcements. Settles a commit whose answer was lost. */
export const findEvents: Statement<{ readonly events: string }, FoundEvent> = {
  name: "find_events",
  text: `
    select event.id,
           (select coalesce(jsonb_agg(jsonb_build_object('id', id::text, 'rule_ref', rule_ref,
                                                         'config', coalesce(config, '{}')) order by rule), '[]')
              from enforcement
             where enforcement.event = event.id) as enforcements
      from ${sought}
      join event
        on event.id = sought.i
       and ${isSoughtEvent}`,
  values: ({ events }) => [events],
  decode: (row) => {
    const enforcements = row.json("enforcements");
    assert(isJsonArray(enforcements), "find_events: enforcements is not an array");
    return { id: row.id("id"), enforcements: enforcements.map(decodeFoundEnforcement) };
  },
};

function decodeFoundEnforcement(value: JsonValue): FoundEnforcement {
  assert(isJsonObject(value), "find_events: an enforcement is not an object");
  const { id, rule_ref: ruleRef, config = null } = value;
  assert(
    typeof id === "string" && typeof ruleRef === "string" && isJsonObject(config),
    "find_events: an enforcement has other fields",
  );
  return { id, ruleRef, config };
}

export interface ForeignId {
  readonly kind: "event" | "enforcement";
  readonly id: Id;
}

/**
 * Which of these ids belong to other events or enforcements, in the tables or in the outbox.
 *
 * `enforcements` is a JSON array: i id, m message id, e event, r rule.
 */
export const findForeignIds: Statement<
  { readonly events: string; readonly enforcements: string },
  ForeignId
> = {
  name: "find_foreign_ids",
  text: `
    select 'event' as kind, sought.i as id
      from ${sought}
      left join event
             on event.id = sought.i
     where case when event.id is null then exists (select from outbox where message_id = sought.m)
                else not (${isSoughtEvent}) end
     union all
    select 'enforcement', enforcing.i
      from jsonb_to_recordset($2::jsonb) as enforcing (i bigint, m uuid, e bigint, r bigint)
      left join enforcement
             on enforcement.id = enforcing.i
     where case when enforcement.id is null then exists (select from outbox where message_id = enforcing.m)
                else (enforcement.event, enforcement.rule) is distinct from (enforcing.e, enforcing.r) end`,
  values: ({ events, enforcements }) => [events, enforcements],
  decode: (row) => ({ kind: row.word("kind", ["event", "enforcement"]), id: row.id("id") }),
};

export interface DedupKey {
  readonly n: number;
  readonly trigger_ref: string;
  readonly source_ref: string | null;
  readonly dedup_key: string;
}

/**
 * The events that were stored first with these dedup keys, by the caller's number. A key may have been claimed twice, and
 * in vain (see statements/batches.ts); the event itself may have been dropped since.
 */
export const findDuplicates: Statement<
  { readonly keys: readonly DedupKey[] },
  { readonly n: number; readonly id: Id }
> = {
  name: "find_duplicates",
  text: `
    select distinct on (key.n) key.n, known.event as id
      from jsonb_to_recordset($1::jsonb) as key (n int, trigger_ref text, source_ref text, dedup_key text)
      join event_key_known as known
        on known.trigger_ref = key.trigger_ref
       and known.source_ref = coalesce(key.source_ref, '')
       and known.dedup_key = key.dedup_key
     order by key.n, exists (select from event where event.id = known.event) desc, known.created, known.event`,
  values: ({ keys }) => [JSON.stringify(keys)],
  decode: (row) => ({ n: row.number("n"), id: row.id("id") }),
};

export interface DedupKeyRange {
  readonly n: number;
  readonly trigger_ref: string;
  readonly source_ref: string | null;
  /** Excluded, as the next one. */
  readonly after_key: string;
  readonly before_key: string;
}

/** The events whose dedup keys lie between two others, by the caller's number. */
export const findDuplicateRanges: Statement<
  { readonly ranges: readonly DedupKeyRange[] },
  { readonly n: number; readonly id: Id; readonly dedupKey: string }
> = {
  name: "find_duplicate_ranges",
  text: `
    select distinct on (range.n, known.dedup_key) range.n, known.event as id, known.dedup_key
      from jsonb_to_recordset($1::jsonb)
           as range (n int, trigger_ref text, source_ref text, after_key text, before_key text)
      join event_key_known as known
        on known.trigger_ref = range.trigger_ref
       and known.source_ref = coalesce(range.source_ref, '')
       and known.dedup_key > range.after_key
       and known.dedup_key < range.before_key
     where exists (select from event where event.id = known.event)
     order by range.n, known.dedup_key, known.created, known.event`,
  values: ({ ranges }) => [JSON.stringify(ranges)],
  decode: (row) => ({ n: row.number("n"), id: row.id("id"), dedupKey: row.text("dedup_key") }),
};

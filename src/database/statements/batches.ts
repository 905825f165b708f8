/** Stores a batch of events. */
import { violatesUniqueness } from "../errors.ts";
import type { Statement } from "../statement.ts";
import { anySources, soleSource, type EventFields, type Parameter } from "./batch-sources.ts";
import type { BatchToStore, StoredBatch } from "./batch-to-store.ts";
import { eventRows, type EventColumns, type EventShape } from "./event-columns.ts";

/** The day, since 1970, of the time this far from now. */
const period = (offset: string): string => `floor(extract(epoch from now() ${offset}) / 86400)::bigint`;

/**
 * Claims the dedup keys of the incoming events that are not remembered yet.
 *
 * The table of keys is partitioned by the period of a claim, so that old keys can be dropped, and a key is unique within
 * a period only. What was committed before is found by reading. Of two statements that run at the same time, neither
 * reads the other's key. They meet in a unique row nevertheless: every key is claimed under the period of ten minutes
 * from now, and then under that of ten minutes ago if it is another one. Two statements that start less than twenty
 * minutes apart have one of these periods in common, and none takes that long.
 */
const claimKeys = ({ triggerRef, sensorRef }: EventFields): string => `claimed as (
      insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
      select ${triggerRef}, coalesce(${sensorRef}, ''), k, ${period("+ interval '10 minutes'")}, i
        from incoming
       where k is not null
         -- Not with "not exists", which may be planned as a join that reads the whole table.
         and (select known.event
                from event_key_known as known
               where known.trigger_ref = ${triggerRef}
                 and known.source_ref = coalesce(${sensorRef}, '')
                 and known.dedup_key = incoming.k
               limit 1) is null
       order by i
      on conflict do nothing
      returning trigger_ref, source_ref, dedup_key, event
    ), claimed_twice as (
      insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
      select trigger_ref, source_ref, dedup_key, ${period("- interval '10 minutes'")}, event
        from claimed
       where ${period("+ interval '10 minutes'")} <> ${period("- interval '10 minutes'")}
      on conflict do nothing
      returning event
    )`;

/** The events that hold their keys: around a change of period, under both. */
const keyed = `(select event
                      from claimed
                     where ${period("+ interval '10 minutes'")} = ${period("- interval '10 minutes'")}
                     union all
                    select event from claimed_twice)`;

/**
 * Stores the events of a batch that may be stored, with their enforcements, messages and checkpoints.
 *
 * It is correct under concurrency because it locks what it depends on:
 *
 * - The triggers of its events, by advisory locks in share mode (are_rules_current and is_rule_current). A
 *   change of a trigger or of its rules either waits for this commit or is seen by it: the function reads the revisions
 *   with a snapshot newer than its locks, so `is_current` becomes false. Changes of other triggers do not matter. No row is
 *   locked, so batches that run side by side leave no multixacts.
 * - The assignments in key share mode. A change of a term either waits or is seen (see statements/assignments.ts). Events
 *   whose assignment is no longer held are left out, with their enforcements, messages and checkpoints.
 *
 * The assignments are locked first, in order of sensor. A transaction that deletes a sensor, or a pack with its
 * sensors and rules, locks the assignments long before it locks its triggers at its commit. If this statement waited
 * for such an assignment while holding a trigger, the two would deadlock, and that commit could be the victim.
 *
 * An event whose dedup_key is remembered is left out in the same way (see `claimKeys`). An event whose id already exists
 * makes the whole statement fail (isIdTaken), so repeating it after a lost answer adds nothing, and another event's id is
 * never mistaken for this one's. A late repetition does not move a checkpoint back either: an abandoned connection may
 * deliver a statement minutes later.
 */
export function storeBatch(
  batch: Pick<BatchToStore, "soleSource" | "matches" | "checkpoints"> & {
    readonly events: Pick<EventColumns, "count" | "keys" | "particulars" | "traces">;
  },
): Statement<BatchToStore, StoredBatch> {
  const shape = {
    hasSoleSource: batch.soleSource !== undefined,
    isLone: batch.events.count === 1,
    hasKeys: batch.events.keys !== null,
    hasParticulars: batch.events.particulars !== null,
    hasTraces: batch.events.traces !== null,
    hasMatches: batch.matches !== noneJson,
    hasCheckpoints: batch.checkpoints !== noneJson,
  };
  const name = nameOf(shape);
  let statement = statements.get(name);
  if (statement === undefined) statements.set(name, (statement = storeStatement(name, shape)));
  return statement;
}

/** No elements, as JSON text. */
export const noneJson = "[]";

/**
 * What a batch holds. What it does not hold costs its statement nothing: for the few events of a batch at moderate rates,
 * starting and ending the parts of a plan costs the server more than the rows.
 */
interface BatchShape extends Omit<EventShape, "hasSources"> {
  readonly hasSoleSource: boolean;
  readonly hasMatches: boolean;
  readonly hasCheckpoints: boolean;
}

/** By name: at most 128, though few are met. */
const statements = new Map<string, Statement<BatchToStore, StoredBatch>>();

function nameOf(shape: BatchShape): string {
  const { isLone, hasSoleSource, hasKeys, hasParticulars, hasTraces, hasMatches, hasCheckpoints } = shape;
  const parts = [
    isLone && "_lone",
    hasSoleSource && "_sole",
    hasKeys && "_keys",
    hasParticulars && "_particulars",
    hasTraces && "_traces",
    hasMatches && "_matches",
    hasCheckpoints && "_checkpoints",
  ];
  return `store_batch${parts.filter((part) => part !== false).join("")}`;
}

function storeStatement(name: string, shape: BatchShape): Statement<BatchToStore, StoredBatch> {
  const values: ((batch: BatchToStore) => unknown)[] = [];
  const text = storeText(shape, (value) => `$${values.push(value)}`);
  return {
    name,
    text,
    values: (batch) => values.map((value) => value(batch)),
    decode: (row) => ({
      isCurrent: row.boolean("is_current"),
      heldTerms: row.texts("held"),
      storedIds: row.json("stored") === null ? null : row.texts("stored"),
      storedAt: row.instant("stored_at"),
    }),
  };
}

function storeText(shape: BatchShape, parameter: Parameter): string {
  const { hasSoleSource, hasKeys, hasParticulars, hasTraces, hasMatches, hasCheckpoints } = shape;
  const events = eventRows({ ...shape, hasSources: !hasSoleSource }, (value) =>
    parameter((batch) => value(batch.events)),
  );
  const { held, areCurrent, incoming, of, revision, heldTerms } = (hasSoleSource ? soleSource : anySources)(
    events,
    parameter,
  );
  const publisher = `${parameter((batch) => batch.publisherInstance)}::uuid`;
  // Without keys, everything that comes in is stored, or nothing is.
  const stored = hasKeys ? "(incoming join stored on stored.id = incoming.i)" : "incoming";
  const storedIds =
    hasSoleSource && !hasKeys
      ? "case when not exists (select from incoming) then '[]'::jsonb end"
      : `case when (select count(*) from ${stored}) < ${parameter((batch) => batch.events.count)}
                then (select coalesce(jsonb_agg(incoming.i::text), '[]') from ${stored})
            end`;
  return `
    with assignment_held as materialized (${held}
         for key share of held
    ), rules_held as materialized (
      select
       where ${areCurrent}
    ), incoming as materialized (${incoming}
    ), ${hasKeys ? `${claimKeys(of)}, ` : ""}stored as (
      insert into event (id, trigger, trigger_ref, config, payload, source, source_ref, matched_revision
                         ${hasKeys ? ", dedup_key" : ""}
                         ${hasParticulars ? ", occurred_at, rule, rule_ref" : ""}
                         ${hasTraces ? ", traceparent, tracestate" : ""})
      select i, ${of.trigger}, ${of.triggerRef}, ${of.config}, p, ${of.sensor}, ${of.sensorRef}, ${revision}
             ${hasKeys ? ", k" : ""}
             ${hasParticulars ? ", o, r, rr" : ""}
             ${hasTraces ? ", tp, ts" : ""}
        from incoming
       ${hasKeys ? `where k is null or i in ${keyed}` : ""}
      ${hasKeys ? "returning id" : ""}
    ), ${hasMatches ? matching(stored, of, parameter) : ""}owed as (
      -- The values are not compressed yet, so measuring them is free.
      insert into outbox (message_id, routing_key, event, enforcement, instance, bytes)
      select incoming.m, 'event.created', incoming.i, null::bigint, ${publisher},
             pg_column_size(incoming.p) + pg_column_size(${of.config})
        from ${stored}
       ${hasMatches ? owedForMatches(publisher) : ""}
    )${hasCheckpoints ? `, ${savedCheckpoints(parameter)}` : ""}
    select exists (select from rules_held) as is_current,
           ${heldTerms} as held,
           ${storedIds} as stored,
           now() as stored_at`;
}

const matching = (
  stored: string,
  { triggerRef }: EventFields,
  parameter: Parameter,
): string => `matched as materialized (
      select match.*, ${triggerRef} as trigger_ref, incoming.p
        from jsonb_to_recordset(${parameter((batch) => batch.matches)}::jsonb)
             as match (i bigint, m uuid, e bigint, rule bigint, rule_ref text, a bigint, ar text,
                       config jsonb, condition enforcement_condition_enum, conditions jsonb)
        join ${stored} on incoming.i = match.e
    ), enforced as (
      insert into enforcement (id, rule, rule_ref, trigger_ref, action, action_ref, event, config, payload,
                               condition, conditions)
      select i, rule, rule_ref, trigger_ref, a, ar, e, config, ${copiedPayload("p")},
             condition, conditions
        from matched
    ), `;

const owedForMatches = (publisher: string): string => `union all
      select m, 'enforcement.created', null, i, ${publisher}, pg_column_size(p) + pg_column_size(config)
        from matched`;

const savedCheckpoints = (parameter: Parameter): string => `saved as (
      insert into sensor_checkpoint (sensor, value, instance, event)
      select checkpoint.sensor, checkpoint.value, assignment_held.instance, checkpoint.event
        from jsonb_to_recordset(${parameter((batch) => batch.checkpoints)}::jsonb)
             as checkpoint (sensor bigint, generation bigint, event bigint, value jsonb)
        join assignment_held using (sensor, generation)
       where exists (select from rules_held)
      on conflict (sensor) do update
         set value = excluded.value,
             instance = excluded.instance,
             event = excluded.event,
             updated = now()
       where sensor_checkpoint.instance is distinct from excluded.instance
          or sensor_checkpoint.event <= excluded.event
    )`;

/**
 * The copy of the event's payload in an enforcement: the payload if it fits into the row, else null. Readers then take
 * it from the event, as the view enforcement_with_payload does.
 */
export function copiedPayload(payload: string): string {
  return `case when pg_column_size(${payload}) <= 2000 then ${payload} end`;
}

/** Each partition has a key of its own. */
const idKeys = /^(?:outbox|(?:event|enforcement)(?:_default|_before|_from_\d+)?)_pkey$/;

/** Whether a batch was not stored because one of its ids exists: from an earlier attempt or another event. */
export function isIdTaken(error: unknown): boolean {
  return violatesUniqueness(error, idKeys);
}

/**
 * The sequences for the ids of events and enforcements.
 *
 * After a failover or restore, a database assigns ids again that it had assigned before. Consumers remember messages
 * with the ids of lost rows, so those ids must not be reused.
 */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";

export type IdSequence = "event_id_seq" | "enforcement_id_seq";

/** Only one process at a time advances sequences, so that none moves back what another has advanced. */
const turnAtSequences = "pg_advisory_xact_lock(hashtextextended(current_schema() || ' sequences', 0))";

/**
 * Reserves ids before they are needed, so that a statement can be repeated with the same ids. Unused ids leave gaps,
 * as sequences always may.
 */
export const reserveIds: Statement<
  { readonly sequence: IdSequence; readonly count: number },
  { readonly ids: readonly Id[] }
> = {
  name: "reserve_ids",
  text: `
    select string_agg(nextval($1::regclass)::text, ',') as ids
      from generate_series(1, $2)`,
  values: ({ sequence, count }) => [sequence, count],
  // Every event has one: a text is made and taken apart in a third of the time that an array of JSON takes.
  decode: (row) => ({ ids: row.textOrNull("ids")?.split(",") ?? [] }),
};

/** Advances a sequence that is behind beyond an id and all ids in its table. */
export const moveSequenceOn: Statement<
  { readonly sequence: IdSequence; readonly beyond: Id },
  { readonly last: Id }
> = {
  name: "move_sequence_on",
  text: `
    with turn as materialized (
      select ${turnAtSequences}
    ), target as materialized (
      select greatest($2::bigint, case $1::text when 'event_id_seq' then (select max(id) from event)
                                                else (select max(id) from enforcement) end) as last
        from turn
    )
    select setval($1::text::regclass, last) as last
      from target
     where coalesce(pg_sequence_last_value($1::text::regclass), 0) < last`,
  values: ({ sequence, beyond }) => [sequence, beyond],
  decode: (row) => ({ last: row.id("last") }),
};

/** More ids than even a restore loses: eleven days at 1,000 events/s. There is room for millions of such leaps. */
export const idLeap = 1_000_000_000n;

/**
 * Records which server assigns the ids, by its system identifier and timeline. If it has changed, all sequences leap.
 * One process does so; the others wait for it and find nothing left to do. Repeating it changes nothing and takes no
 * lock.
 *
 * @see PostgreSQL, "Timelines" and `pg_walfile_name`, whose first eight digits are the timeline
 */
export const noteServer: Statement<{ readonly leap: bigint }, { readonly hasLeapt: boolean }> = {
  name: "note_server",
  text: `
    with present as materialized (
      select (select system_identifier from pg_control_system()) || '/'
             || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) as server
    ), known as materialized (
      select server
        from installation
       where server is distinct from (select server from present)
         for update
    ), turn as materialized (
      select ${turnAtSequences}, server from known where server is not null
    ), leapt as (
      select count(setval(name::regclass, coalesce(pg_sequence_last_value(name::regclass), 0) + $1)) as sequences
        from turn, unnest(array['event_id_seq', 'enforcement_id_seq', 'rule_message_seq']) as name
    ), noted as (
      update installation
         set server = present.server
        from known, present
    )
    select sequences > 0 as has_leapt
      from leapt`,
  values: ({ leap }) => [String(leap)],
  decode: (row) => ({ hasLeapt: row.boolean("has_leapt") }),
};

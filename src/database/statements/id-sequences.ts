/**
 * The sequences that ids of events and enforcements come from.
 */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";

export type IdSequence = "event_id_seq" | "enforcement_id_seq";

/**
 * Takes ids from a sequence before they are needed, so that a statement can be repeated with the same
 * ones. Ids that are never used leave gaps, which a sequence always may.
 */
export const reserveIds: Statement<
  { readonly sequence: IdSequence; readonly count: number },
  { readonly ids: readonly Id[] }
> = {
  name: "reserve_ids",
  text: `
    select coalesce(jsonb_agg(nextval($1::regclass)::text), '[]') as ids
      from generate_series(1, $2)`,
  values: ({ sequence, count }) => [sequence, count],
  decode: (row) => ({ ids: row.texts("ids") }),
};

/**
 * Lets a sequence that is behind go on beyond an id and whatever its table holds. One process at a time, so that
 * nobody moves back what another has moved on.
 */
export const moveSequenceOn: Statement<
  { readonly sequence: IdSequence; readonly beyond: Id },
  { readonly last: Id }
> = {
  name: "move_sequence_on",
  text: `
    with turn as materialized (
      select pg_advisory_xact_lock(hashtextextended(current_schema() || ' sequences', 0))
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

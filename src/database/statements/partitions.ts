/**
 * The partitions of `event`, `enforcement`, `event_key` and any other partitioned table of the schema.
 *
 * The work is done by functions of the schema, which run with their owner's rights, so that an agent that owns nothing may
 * call them. They need exclusive locks, for milliseconds: the caller bounds the waiting for them with `boundLocks`, because
 * everybody who stores waits behind.
 */
import { escapeIdentifier } from "pg";
import { noValue, type Statement } from "../statement.ts";

export interface PartitionRow {
  readonly table: string;
  readonly name: string;
  /** The keys it takes, `beyond` exclusive; null: no bound, or the default or a retired partition. */
  readonly first: bigint | null;
  readonly beyond: bigint | null;
  readonly isDefault: boolean;
  /** No longer part of the table. */
  readonly isRetired: boolean;
  /** About how many. */
  readonly rows: number;
  readonly bytes: number;
  readonly oldest: Date | null;
  readonly newest: Date | null;
  /** The highest key in the default partition. */
  readonly highest: bigint | null;
}

/** In the order of the keys, for each table. */
export const listPartitions: Statement<{ readonly tables: readonly string[] }, PartitionRow> = {
  name: "list_partitions",
  text: `
    select of_table, name, first, beyond, is_default, is_retired, row_count::float8, byte_count::float8, oldest, newest,
           highest
      from unnest($1::text[]) as asked (of_table),
           list_partitions(of_table)
     order by first nulls first, name`,
  values: ({ tables }) => [tables],
  decode: (row) => ({
    table: row.text("of_table"),
    name: row.text("name"),
    first: row.bigintOrNull("first"),
    beyond: row.bigintOrNull("beyond"),
    isDefault: row.boolean("is_default"),
    isRetired: row.boolean("is_retired"),
    rows: row.number("row_count"),
    bytes: row.number("byte_count"),
    oldest: row.instantOrNull("oldest"),
    newest: row.instantOrNull("newest"),
    highest: row.bigintOrNull("highest"),
  }),
};

/** Where the next rows of the partitioned tables go. */
export interface PartitionPosition {
  readonly now: Date;
  /** The last ids given out; null: none. */
  readonly event: bigint | null;
  readonly enforcement: bigint | null;
}

export const readPartitionPosition: Statement<undefined, PartitionPosition> = {
  name: "read_partition_position",
  text: `
    select clock_timestamp() as now,
           pg_sequence_last_value('event_id_seq'::regclass) as event,
           pg_sequence_last_value('enforcement_id_seq'::regclass) as enforcement`,
  values: () => [],
  decode: (row) => ({
    now: row.instant("now"),
    event: row.bigintOrNull("event"),
    enforcement: row.bigintOrNull("enforcement"),
  }),
};

/**
 * Until the end of the transaction, a lock that is not free within `waitMs` makes a statement fail as a conflict. The
 * server ends the session, and with it the locks, if the next statement does not come within `idleMs`.
 */
export const boundLocks: Statement<{ readonly waitMs: number; readonly idleMs: number }, void> = {
  name: "bound_locks",
  text: `select set_config('lock_timeout', $1 || 'ms', true),
                set_config('idle_in_transaction_session_timeout', $2 || 'ms', true)`,
  values: ({ waitMs, idleMs }) => [String(waitMs), String(idleMs)],
  decode: noValue,
};

/** For the keys from `first` up to `beyond`, exclusive; the default partition if both are null. */
export const addPartition: Statement<
  { readonly table: string; readonly first: bigint | null; readonly beyond: bigint | null },
  { readonly name: string }
> = {
  name: "add_partition",
  text: "select add_partition($1, $2, $3) as name",
  values: ({ table, first, beyond }) => [table, first?.toString() ?? null, beyond?.toString() ?? null],
  decode: (row) => ({ name: row.text("name") }),
};

/** Fails with object_in_use if messages that are not sent yet need its rows. */
export const retirePartition: Statement<
  { readonly table: string; readonly partition: string },
  { readonly name: string }
> = {
  name: "retire_partition",
  text: "select retire_partition($1, $2) as name",
  values: ({ table, partition }) => [table, partition],
  decode: (row) => ({ name: row.text("name") }),
};

export const openRetired: Statement<{ readonly partition: string }, void> = {
  name: "open_retired",
  text: "select open_retired($1)",
  values: ({ partition }) => [partition],
  decode: noValue,
};

export const dropRetired: Statement<{ readonly partition: string }, void> = {
  name: "drop_retired",
  text: "select drop_retired($1)",
  values: ({ partition }) => [partition],
  decode: noValue,
};

/**
 * Advances a sequence so that the next id lies in the next partition. Does nothing if the sequence has almost reached it, since
 * it must never move back.
 */
export const enterPartition: Statement<
  { readonly sequence: string; readonly first: bigint },
  { readonly last: string }
> = {
  name: "enter_partition",
  text: `
    select setval($1::regclass, $2::bigint - 1)::text as last
     where coalesce(pg_sequence_last_value($1::regclass), 0) < $2::bigint - 10000`,
  values: ({ sequence, first }) => [sequence, String(first)],
  decode: (row) => ({ last: row.text("last") }),
};

/**
 * The next rows of a retired partition as JSON; null: from the first, whatever its id. So little text that decoding it holds
 * up nothing else: the row that fills a page ends it. The text is measured, since stored rows may be compressed to a
 * hundredth. It is made row by row, so that none is made that the page does not have.
 */
export function readRetired(
  partition: string,
): Statement<{ readonly after: bigint | null }, { readonly id: bigint; readonly line: string }> {
  const table = escapeIdentifier(partition);
  return {
    name: `read_retired_${partition}`,
    text: `
      with recursive page (id, line, bytes, place) as (
        select next.id, next.line, octet_length(next.line)::bigint, 1
          from (select id, row_to_json(retired)::text as line
                  from ${table} as retired
                 where id = case when $1::bigint is null then (select min(id) from ${table})
                                 else (select min(id) from ${table} where id > $1)
                            end
                 limit 1) as next
         union all
        select next.id, next.line, page.bytes + octet_length(next.line), page.place + 1
          from page
         cross join lateral (
               select id, row_to_json(retired)::text as line
                 from ${table} as retired
                where id > page.id
                order by id
                limit 1) as next
         where page.bytes < 500000
           and page.place < 250
      )
      select id, line
        from page
       order by id`,
    values: ({ after }) => [after === null ? null : String(after)],
    decode: (row) => ({ id: row.bigint("id"), line: row.text("line") }),
  };
}

/**
 * One page of a list, with the number of entries in the whole list.
 *
 * A page is requested by its number, which is an offset, or by the position after which it begins. With a position no entry is
 * skipped or shown twice, whatever is added or deleted meanwhile, as long as the entries' keys stay the same.
 */
import type { Id } from "../model/identifiers.ts";
import type { Queryable } from "./database.ts";
import { rowOf, rowsOf, type Row, type Statement } from "./statement.ts";

/** Of an entry: its key in the order of the list, and its id. Instants are microseconds since 1970. */
export interface ListPosition {
  readonly key: string;
  readonly id: Id;
}

export interface PageRequest {
  readonly limit: number;
  readonly offset: number;
  /** Only entries after this one; `offset` is not used then. Null: from the beginning. */
  readonly after: ListPosition | null;
}

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  /** Of all pages. */
  readonly total: number;
  /** Where the next page begins; null: there is none. */
  readonly next: ListPosition | null;
}

interface Placed<Entry> {
  readonly entry: Entry;
  readonly position: ListPosition;
}

export interface ListStatements<Filter, Entry> {
  readonly total: Statement<Filter, number>;
  readonly byNumber: Statement<Filter & PageRequest, Placed<Entry>>;
  readonly byPosition: Statement<Filter & PageRequest, Placed<Entry>>;
}

type SortColumn = "id" | "ref" | "name" | "created" | "updated";

/** `-`: descending. The id is always the last key, so that pages neither overlap nor leave gaps. */
type ListOrder = SortColumn | `-${SortColumn}`;

const orders: Readonly<Record<ListOrder, { readonly column: SortColumn; readonly isDescending: boolean }>> = {
  id: { column: "id", isDescending: false },
  "-id": { column: "id", isDescending: true },
  ref: { column: "ref", isDescending: false },
  "-ref": { column: "ref", isDescending: true },
  name: { column: "name", isDescending: false },
  "-name": { column: "name", isDescending: true },
  created: { column: "created", isDescending: false },
  "-created": { column: "created", isDescending: true },
  updated: { column: "updated", isDescending: false },
  "-updated": { column: "updated", isDescending: true },
};

interface ListShape<Filter, Entry> {
  /** Of the statements: `rules`. */
  readonly name: string;
  readonly columns: string;
  readonly from: string;
  /** With the placeholders of `values`. */
  readonly matching: string;
  readonly values: (filter: Filter) => readonly unknown[];
  /** How many there are. */
  readonly valueCount: number;
  readonly decode: (row: Row) => Entry;
}

export function listStatements<Filter, Entry>(
  shape: ListShape<Filter, Entry>,
  order: ListOrder,
): ListStatements<Filter, Entry> {
  const { name, columns, from, matching, values, valueCount, decode } = shape;
  const { column, isDescending } = orders[order];
  const key = sortKeys[column];
  const placeholder = (place: number): string => `$${valueCount + place}`;
  const direction = isDescending ? " desc" : "";
  const selected = `
    select ${columns}, ${key.text(column)} as sort_key
      from ${from}
     where ${matching}`;
  const ordered = `
     order by ${column === "id" ? "" : `${column}${direction}, `}id${direction}
     limit ${placeholder(1)}`;
  const placed = (row: Row): Placed<Entry> => ({
    entry: decode(row),
    position: { key: row.text("sort_key"), id: row.id("id") },
  });
  return {
    total: {
      name: `count_${name}`,
      text: `
    select count(*)::int as total
      from ${from}
     where ${matching}`,
      values,
      decode: (row) => row.number("total"),
    },
    byNumber: {
      name: `list_${name}_by_${order}`,
      text: `${selected}${ordered}
    offset ${placeholder(2)}`,
      values: (request) => [...values(request), request.limit, request.offset],
      decode: placed,
    },
    byPosition: {
      name: `list_${name}_after_${order}`,
      text: `${selected}
       and ${key.after(column, isDescending ? "<" : ">", placeholder(2), placeholder(3))}${ordered}`,
      // One more, to know whether there is another page.
      values: (request) => [...values(request), request.limit + 1, ...key.values(request.after)],
      decode: placed,
    },
  };
}

interface SortKey {
  /** SQL of the entry's key as text. */
  readonly text: (column: string) => string;
  /** SQL that is true for entries after a position, whose values have these placeholders. */
  readonly after: (column: string, comparison: "<" | ">", first: string, second: string) => string;
  readonly values: (position: ListPosition | null) => readonly unknown[];
}

const textKey: SortKey = {
  text: (column) => column,
  after: (column, comparison, key, id) => `(${column}, id) ${comparison} (${key}::text, ${id}::bigint)`,
  values: (position) => [position?.key, position?.id],
};

const instantKey: SortKey = {
  text: (column) => `((extract(epoch from ${column}) * 1000000)::bigint)::text`,
  after: (column, comparison, key, id) =>
    `(${column}, id) ${comparison} (timestamptz 'epoch' + ${key}::bigint * interval '1 microsecond', ${id}::bigint)`,
  values: textKey.values,
};

const sortKeys: Readonly<Record<SortColumn, SortKey>> = {
  id: {
    text: () => "id::text",
    after: (_, comparison, id) => `id ${comparison} ${id}::bigint`,
    values: (position) => [position?.id],
  },
  ref: textKey,
  name: textKey,
  created: instantKey,
  updated: instantKey,
};

/** @param rows must read one snapshot, or the page and the total may contradict each other */
export async function readPage<Filter, Entry>(
  rows: Queryable,
  { total: countAll, byNumber, byPosition }: ListStatements<Filter, Entry>,
  request: Filter & PageRequest,
): Promise<Page<Entry>> {
  const total = (await rowOf(rows, countAll, request)) ?? 0;
  const { limit, offset, after } = request;
  const found = await rowsOf(rows, after === null ? byNumber : byPosition, request);
  const page = found.slice(0, limit);
  const isFollowed = after === null ? offset + page.length < total : found.length > limit;
  return {
    entries: page.map(({ entry }) => entry),
    total,
    next: isFollowed ? (page.at(-1)?.position ?? null) : null,
  };
}

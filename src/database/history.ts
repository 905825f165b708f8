/**
 * Pages of a table that only grows, newest first, in a time that does not grow with the table.
 *
 * A page is found by the index on (created, id), or by one that begins with an indexed column. Other conditions are checked
 * row by row, over at most `searchedMax` of the newest rows; a page may then hold fewer rows than requested although more
 * exist, and `older` says where the search continues. The number of all rows is counted up to `countedMax`; with such
 * conditions it is the number found so far.
 *
 * Statements are built from the given conditions and not kept prepared: a generic plan could not know which conditions
 * are left out.
 */
import type { Id } from "../model/identifiers.ts";
import type { Queryable } from "./database.ts";
import { Row } from "./statement.ts";

/** A place between two rows. */
export interface HistoryPosition {
  /** Microseconds since 1970. */
  readonly createdUs: string;
  readonly id: Id;
}

export interface HistoryRequest {
  readonly limit: number;
  readonly offset: number;
  /** Only rows older than this one. */
  readonly before: HistoryPosition | null;
  /** Only rows newer than this one; the ones next to it first. */
  readonly after: HistoryPosition | null;
  /** Inclusive. */
  readonly createdFrom: string | null;
  /** Exclusive. */
  readonly createdTo: string | null;
}

export interface HistoryCondition {
  /** @param parameter placeholder of the value, such as `$1` */
  readonly sql: (parameter: string) => string;
  readonly value: string;
  /** Whether an index leads to the rows. */
  readonly isIndexed: boolean;
}

/** That each of these columns has its value; null: any. */
export function equalities(
  values: Readonly<Record<string, string | null>>,
  { isIndexed }: Pick<HistoryCondition, "isIndexed">,
): readonly HistoryCondition[] {
  return Object.entries(values).flatMap(([column, value]) =>
    value === null ? [] : [{ sql: (parameter: string) => `${column} = ${parameter}`, value, isIndexed }],
  );
}

export interface HistoryTable<Entry> {
  readonly name: "event" | "enforcement" | "webhook_delivery" | "sensor_gap";
  readonly columns: string;
  readonly decode: (row: Row) => Entry;
}

export interface HistoryPage<Entry> {
  readonly entries: readonly Entry[];
  /** Where older rows begin; null: there are none. */
  readonly older: HistoryPosition | null;
  /** The newest row of the page; null: it is empty. */
  readonly newest: HistoryPosition | null;
  /** Of all pages. */
  readonly total: number;
  /** False: there are more than `total`. */
  readonly isTotalExact: boolean;
}

export interface HistoryLimits {
  readonly searchedMax: number;
  readonly countedMax: number;
}

const historyLimits: HistoryLimits = { searchedMax: 100_000, countedMax: 1_000 };

/** @param rows must read one snapshot, or the page and the total may contradict each other */
export async function readHistory<Entry>(
  rows: Queryable,
  table: HistoryTable<Entry>,
  conditions: readonly HistoryCondition[],
  request: HistoryRequest,
  limits: HistoryLimits = historyLimits,
): Promise<HistoryPage<Entry>> {
  const isAscending = request.after !== null;
  const found = await readRows(rows, table, conditions, request, limits);
  const page = found.slice(0, request.limit);
  if (isAscending) page.reverse();
  const [first, last] = [page[0], page.at(-1)];
  const hasOlder = isAscending || found.length > request.limit;
  const older = !hasOlder
    ? await endOfSearch(rows, table.name, conditions, request, limits.searchedMax)
    : last === undefined
      ? request.after
      : positionOf(last);
  const total = isSearched(conditions)
    ? request.offset + found.length
    : (found[0]?.number("total") ?? (await countRows(rows, table.name, conditions, request, limits)));
  const isWhole = !isSearched(conditions) || (older === null && request.before === null);
  return {
    entries: page.map((row) => table.decode(row)),
    newest: first === undefined ? null : positionOf(first),
    older,
    total: Math.max(Math.min(total, limits.countedMax), request.offset + page.length),
    isTotalExact: total <= limits.countedMax && isWhole,
  };
}

/** One more than the page holds, if there are. */
async function readRows(
  rows: Queryable,
  { name, columns }: HistoryTable<unknown>,
  conditions: readonly HistoryCondition[],
  request: HistoryRequest,
  limits: HistoryLimits,
): Promise<Row[]> {
  const values = new Values();
  const total = isSearched(conditions) ? "null" : countText(name, conditions, request, limits, values);
  const text = `
    select ${columns}, ${createdUs}, ${total} as total
      from ${searchText(name, conditions, request, limits.searchedMax, values)}
     ${orderText(request)}
     limit ${values.add(request.limit + 1)}
    offset ${values.add(request.offset)}`;
  return await rowsOf(rows, `list_${name}`, text, values);
}

/** For a page without rows that could hold it. */
async function countRows(
  rows: Queryable,
  name: string,
  conditions: readonly HistoryCondition[],
  request: HistoryRequest,
  limits: HistoryLimits,
): Promise<number> {
  const values = new Values();
  const text = `select ${countText(name, conditions, request, limits, values)} as total`;
  const [row] = await rowsOf(rows, `count_${name}`, text, values);
  return row?.number("total") ?? 0;
}

/** All rows, wherever the page is. The order has no effect but to lead along an index. */
function countText(
  name: string,
  conditions: readonly HistoryCondition[],
  request: HistoryRequest,
  { countedMax }: HistoryLimits,
  values: Values,
): string {
  const whole = { ...request, before: null, after: null };
  const where = whereText(indexedTexts(conditions, whole, values));
  return `(select count(*)::int
               from (select from ${name} ${where} ${orderText(whole)} limit ${countedMax + 1}) as counted)`;
}

/** The oldest row that was looked at, if there may be older ones. */
async function endOfSearch(
  rows: Queryable,
  name: string,
  conditions: readonly HistoryCondition[],
  request: HistoryRequest,
  searchedMax: number,
): Promise<HistoryPosition | null> {
  if (!isSearched(conditions)) return null;
  const values = new Values();
  const text = `
    select id, ${createdUs}
      from ${name} ${whereText(indexedTexts(conditions, request, values))}
     ${orderText(request)}
     limit 1
    offset ${searchedMax - 1}`;
  const [end] = await rowsOf(rows, `end_of_${name}_search`, text, values);
  return end === undefined ? null : positionOf(end);
}

class Values {
  readonly all: unknown[] = [];

  /** The placeholder of the value. */
  add(value: unknown): string {
    this.all.push(value);
    return `$${this.all.length}`;
  }
}

const createdUs = "(extract(epoch from created) * 1000000)::bigint as created_us";

function isSearched(conditions: readonly HistoryCondition[]): boolean {
  return conditions.some(({ isIndexed }) => !isIndexed);
}

function searchText(
  name: string,
  conditions: readonly HistoryCondition[],
  request: HistoryRequest,
  searchedMax: number,
  values: Values,
): string {
  const indexed = whereText(indexedTexts(conditions, request, values));
  if (!isSearched(conditions)) return `${name} ${indexed}`;
  const others = conditions
    .filter(({ isIndexed }) => !isIndexed)
    .map(({ sql, value }) => sql(values.add(value)));
  const newest = `(select * from ${name} ${indexed} ${orderText(request)} limit ${searchedMax}) as ${name}`;
  return `${newest} ${whereText(others)}`;
}

function indexedTexts(
  conditions: readonly HistoryCondition[],
  { before, after, createdFrom, createdTo }: HistoryRequest,
  values: Values,
): readonly string[] {
  const texts = conditions
    .filter(({ isIndexed }) => isIndexed)
    .map(({ sql, value }) => sql(values.add(value)));
  const place = ({ createdUs: us, id }: HistoryPosition): string =>
    `(timestamptz 'epoch' + ${values.add(us)}::bigint * interval '1 microsecond', ${values.add(id)}::bigint)`;
  if (before !== null) texts.push(`(created, id) < ${place(before)}`);
  if (after !== null) texts.push(`(created, id) > ${place(after)}`);
  if (createdFrom !== null) texts.push(`created >= ${values.add(createdFrom)}::timestamptz`);
  if (createdTo !== null) texts.push(`created < ${values.add(createdTo)}::timestamptz`);
  return texts;
}

function whereText(texts: readonly string[]): string {
  return texts.length === 0 ? "" : `where ${texts.join(" and ")}`;
}

function orderText({ after }: HistoryRequest): string {
  return after === null ? "order by created desc, id desc" : "order by created, id";
}

async function rowsOf(rows: Queryable, what: string, text: string, values: Values): Promise<Row[]> {
  const { rows: found } = await rows.query({ text, values: values.all });
  return found.map((row) => new Row(what, row));
}

function positionOf(row: Row): HistoryPosition {
  return { createdUs: row.id("created_us"), id: row.id("id") };
}

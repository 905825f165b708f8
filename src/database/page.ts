/** One page of a list, with the number of entries in the whole list. */
import { rowOf, rowsOf, type Statement } from "./statement.ts";
import type { Queryable } from "./database.ts";

export interface PageRequest {
  readonly limit: number;
  readonly offset: number;
}

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  readonly total: number;
}

export interface ListStatements<Filter, Entry> {
  readonly entries: Statement<Filter & PageRequest, Entry>;
  readonly total: Statement<Filter, number>;
}

/** @param rows must read one snapshot, or the page and the total may contradict each other */
export async function readPage<Filter, Entry>(
  rows: Queryable,
  { entries, total }: ListStatements<Filter, Entry>,
  request: Filter & PageRequest,
): Promise<Page<Entry>> {
  return {
    total: (await rowOf(rows, total, request)) ?? 0,
    entries: await rowsOf(rows, entries, request),
  };
}

/**
 * How events and enforcements are paged: newest first, by number as all lists, and by cursors for those who read on.
 *
 * Numbers count from the newest entry, so they shift as entries are added, and reach only so far. A cursor stays where it is.
 */
import { Type, type Static, type TSchema } from "typebox";
import type { HistoryPage, HistoryPosition, HistoryRequest } from "../database/history.ts";
import { instantText } from "../model/texts/instants.ts";
import { orNull } from "./answers.ts";
import { invalidParameter } from "./errors.ts";
import { pageOffset, pageParameters, Pagination, paginationOf } from "./paging.ts";

const cursorPattern = /^(\d{1,17})-(\d{1,18})$/;

/** Further ones are read by cursor: to skip entries costs as much as to read them. */
const entriesByNumberMax = 10_000;

const Cursor = (description: string) => Type.Optional(Type.String({ description, maxLength: 64 }));
const Instant = (description: string) => Type.Optional(Type.String({ description, maxLength: 64 }));

export const historyParameters = {
  ...pageParameters,
  before: Cursor("Only entries older than this cursor: `pagination.before` of an earlier answer"),
  after: Cursor("Only entries newer than this cursor: `pagination.after` of an earlier answer"),
  created_after: Instant("Only entries created at this time or later"),
  created_before: Instant("Only entries created before this time"),
};

const HistoryParameters = Type.Object(historyParameters);

type HistoryParameters = Static<typeof HistoryParameters>;

export const HistoryAnswer = <Item extends TSchema>(item: Item) =>
  Type.Object({
    items: Type.Array(item),
    pagination: Type.Object({
      ...Pagination.properties,
      total_exact: Type.Boolean({ description: "False: there are more than total_items" }),
      before: orNull(Type.String({ description: "Cursor for the entries after this page, which are older" })),
      after: orNull(Type.String({ description: "Cursor for entries newer than this page" })),
    }),
  });

/** @throws RequestError VALIDATION_FAILED */
export function historyRequest(parameters: HistoryParameters): HistoryRequest {
  const before = positionOf("before", parameters.before);
  const after = positionOf("after", parameters.after);
  if (before !== null && after !== null)
    throw invalidParameter("after", "cannot be used together with before");
  const { limit, offset } = pageOffset(parameters);
  const isByCursor = before !== null || after !== null;
  if (!isByCursor && offset + limit > entriesByNumberMax) {
    throw invalidParameter("page", `ends beyond entry ${entriesByNumberMax}; read on from pagination.before`);
  }
  return {
    limit,
    offset: isByCursor ? 0 : offset,
    before,
    after,
    createdFrom: instantOf("created_after", parameters.created_after),
    createdTo: instantOf("created_before", parameters.created_before),
  };
}

export function historyAnswer<Entry, Item>(
  parameters: HistoryParameters,
  { entries, total, isTotalExact, older, newest }: HistoryPage<Entry>,
  itemOf: (entry: Entry) => Item,
) {
  const { before, after } = parameters;
  const pagination = paginationOf(parameters, total);
  return {
    items: entries.map((entry) => itemOf(entry)),
    pagination: {
      ...pagination,
      has_next: older !== null,
      has_previous: before !== undefined || pagination.has_previous,
      total_exact: isTotalExact,
      before: older === null ? null : cursorOf(older),
      after: newest === null ? (after ?? null) : cursorOf(newest),
    },
  };
}

function positionOf(parameter: "before" | "after", cursor: string | undefined): HistoryPosition | null {
  if (cursor === undefined) return null;
  const [, createdUs, id] = cursorPattern.exec(cursor) ?? [];
  if (createdUs === undefined || id === undefined) {
    throw invalidParameter(parameter, `must be a cursor: pagination.${parameter} of an earlier answer`);
  }
  return { createdUs, id };
}

function cursorOf({ createdUs, id }: HistoryPosition): string {
  return `${createdUs}-${id}`;
}

function instantOf(parameter: string, text: string | undefined): string | null {
  if (text === undefined) return null;
  const instant = instantText(text);
  if (instant === undefined)
    throw invalidParameter(parameter, 'must be a time with an offset, like "2026-01-31T12:00:00Z"');
  return instant;
}

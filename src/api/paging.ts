/**
 * How lists are paged: by number, with a size that is clamped rather than refused, since clients ask for 1000; or from a cursor,
 * which neither skips nor repeats an entry when others are added or deleted meanwhile.
 */
import { Type, type Static, type TSchema } from "typebox";
import type { ListPosition, Page, PageRequest } from "../database/page.ts";
import { decodeJson } from "../model/json/json-text.ts";
import { listOf } from "../model/json/json.ts";
import { orNull } from "./answers.ts";
import { invalidParameter } from "./errors.ts";

const pageSizeDefault = 50;
const pageSizeMax = 100;
/** Keeps the offset within what the database can count. */
const pageMax = 1_000_000_000;

const size = Type.Optional(
  Type.Integer({ description: `Entries per page, ${pageSizeDefault} by default and at most ${pageSizeMax}` }),
);

/** Parameters of every list. `per_page` and `limit` are other names of `page_size`. */
export const pageParameters = {
  page: Type.Optional(Type.Integer({ description: "Page, from 1" })),
  page_size: size,
  per_page: size,
  limit: size,
};

const PageParameters = Type.Object(pageParameters);

type PageParameters = Static<typeof PageParameters>;

/** Of lists that also have cursors. */
export const listPageParameters = {
  ...pageParameters,
  after: Type.Optional(
    Type.String({
      description:
        "Only entries after this cursor: `pagination.next` of an earlier answer with the same `sort`",
      maxLength: 2_048,
    }),
  ),
};

interface ListParameters extends PageParameters {
  readonly after?: string;
  readonly sort?: string;
}

/** Of lists that have an `id` and sort by it unless asked otherwise. */
const sortDefault = "id";

export const Pagination = Type.Object({
  page: Type.Integer(),
  page_size: Type.Integer(),
  total_items: Type.Integer(),
  total_pages: Type.Integer(),
  has_next: Type.Boolean(),
  has_previous: Type.Boolean(),
});

export const ListAnswer = <Item extends TSchema>(item: Item) =>
  Type.Object({
    items: Type.Array(item),
    pagination: Type.Object({
      ...Pagination.properties,
      next: orNull(Type.String({ description: "Cursor for the entries after this page" })),
    }),
  });

interface PageNumber {
  readonly page: number;
  readonly pageSize: number;
}

function pageNumber({ page = 1, page_size, per_page, limit }: PageParameters): PageNumber {
  return {
    page: clamp(page, pageMax),
    pageSize: clamp(page_size ?? per_page ?? limit ?? pageSizeDefault, pageSizeMax),
  };
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 1), max);
}

export function pageOffset(parameters: PageParameters): Pick<PageRequest, "limit" | "offset"> {
  const { page, pageSize } = pageNumber(parameters);
  return { limit: pageSize, offset: (page - 1) * pageSize };
}

/** @throws RequestError VALIDATION_FAILED */
export function listRequest(parameters: ListParameters): PageRequest {
  return { ...pageOffset(parameters), after: positionOf(parameters) };
}

/** `pagination` of an answer with this page. */
export function paginationOf(parameters: PageParameters, total: number): Static<typeof Pagination> {
  const { page, pageSize } = pageNumber(parameters);
  const pages = Math.ceil(total / pageSize);
  return {
    page,
    page_size: pageSize,
    total_items: total,
    total_pages: pages,
    has_next: page < pages,
    has_previous: page > 1,
  };
}

export function listAnswer<Entry, Item>(
  parameters: ListParameters,
  { entries, total, next }: Page<Entry>,
  itemOf: (entry: Entry) => Item,
) {
  const pagination = paginationOf(parameters, total);
  const isByCursor = parameters.after !== undefined;
  return {
    items: entries.map((entry) => itemOf(entry)),
    pagination: {
      ...pagination,
      ...(isByCursor ? { has_next: next !== null, has_previous: true } : {}),
      next: next === null ? null : cursorOf(parameters.sort ?? sortDefault, next),
    },
  };
}

const instantPattern = /^-?\d{1,17}$/;
const idPattern = /^\d{1,18}$/;

/** For nobody but this API to read. */
function cursorOf(sort: string, { key, id }: ListPosition): string {
  return Buffer.from(JSON.stringify([sort, key, id])).toString("base64url");
}

function positionOf({ after, sort = sortDefault }: ListParameters): ListPosition | null {
  if (after === undefined) return null;
  const [sorted, key, id] = textsIn(Buffer.from(after, "base64url").toString());
  if (sorted === sort && key !== undefined && isSortKey(sort, key) && id !== undefined && idPattern.test(id))
    return { key, id };
  throw invalidParameter(
    "after",
    "must be a cursor: pagination.next of an earlier answer with the same sort",
  );
}

/** Whether the database can compare it. */
function isSortKey(sort: string, key: string): boolean {
  if (/^-?(created|updated)$/.test(sort)) return instantPattern.test(key);
  return !key.includes("\0");
}

function textsIn(json: string): readonly (string | undefined)[] {
  const decoded = decodeJson(json);
  const values = decoded.kind === "valid" ? listOf(decoded.value) : [];
  return values.map((value) => (typeof value === "string" ? value : undefined));
}

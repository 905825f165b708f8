/** How all lists are paged: by number, with a size that is clamped rather than refused, since clients ask for 1000. */
import { Type, type Static, type TSchema } from "typebox";
import type { Page, PageRequest } from "../database/page.ts";

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

export type PageParameters = Static<typeof PageParameters>;

export const Pagination = Type.Object({
  page: Type.Integer(),
  page_size: Type.Integer(),
  total_items: Type.Integer(),
  total_pages: Type.Integer(),
  has_next: Type.Boolean(),
  has_previous: Type.Boolean(),
});

export const ListAnswer = <Item extends TSchema>(item: Item) =>
  Type.Object({ items: Type.Array(item), pagination: Pagination });

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

export function pageRequest(parameters: PageParameters): PageRequest {
  const { page, pageSize } = pageNumber(parameters);
  return { limit: pageSize, offset: (page - 1) * pageSize };
}

export function listAnswer<Entry, Item>(
  parameters: PageParameters,
  { entries, total }: Page<Entry>,
  itemOf: (entry: Entry) => Item,
): { readonly items: readonly Item[]; readonly pagination: Static<typeof Pagination> } {
  const { page, pageSize } = pageNumber(parameters);
  const pages = Math.ceil(total / pageSize);
  return {
    items: entries.map((entry) => itemOf(entry)),
    pagination: {
      page,
      page_size: pageSize,
      total_items: total,
      total_pages: pages,
      has_next: page < pages,
      has_previous: page > 1,
    },
  };
}

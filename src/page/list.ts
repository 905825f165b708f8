/**
 * Reads a list of the API page by page: the first page at once, and one more each time somebody asks for it.
 *
 * A list that is read again is read as far as it is shown, so nothing disappears. Each page goes on from a cursor, so no entry
 * is skipped or shown twice when others come or go meanwhile.
 */
import { useRef, useState } from "preact/hooks";
import { get } from "./api-client.ts";
import { messageOf } from "./caught.ts";
import { useRead, type ResourceOptions } from "./resource.ts";
import type { Id, List } from "./types.ts";

export interface PagedList<Item> {
  /** Undefined until the first answer. */
  readonly items: readonly Item[] | undefined;
  /** Of all pages, or of as many as are counted. */
  readonly total: number;
  readonly isTotalExact: boolean;
  /** Whether all that was read fits on the first page. */
  readonly isSinglePage: boolean;
  /** Shows the next page; undefined: there is none. */
  readonly more: (() => Promise<void>) | undefined;
  readonly error: string | undefined;
  readonly reload: () => void;
}

interface ListOptions extends ResourceOptions {
  /** Reads all of it, up to `wholePagesMax` pages. */
  readonly isWhole?: boolean;
}

interface Pages<Item> {
  /** The path of the first page. */
  readonly of: string;
  readonly items: readonly Item[];
  readonly count: number;
  readonly pagination: List<Item>["pagination"];
  /** Undefined: the last page. */
  readonly next: string | undefined;
}

/** Of at most a hundred entries each. */
const wholePagesMax = 10;

interface Entry {
  readonly id: Id;
}

/** @param path with a query; undefined: nothing to read */
export function useList<Item extends Entry>(
  path: string | undefined,
  { isWhole = false, ...options }: ListOptions = {},
): PagedList<Item> {
  const asked = useRef({ path, count: 1 });
  if (asked.current.path !== path) asked.current = { path, count: 1 };
  if (isWhole) asked.current.count = Math.max(asked.current.count, wholePagesMax);
  const [failure, setFailure] = useState<string | undefined>();
  const costOf = ({ count }: Pages<Item>): number => count;
  const { value, error, reload, change } = useRead<Pages<Item>>(
    path,
    { ...options, turn: isWhole, costOf },
    (first, ending) => readPages<Item>(first, () => asked.current.count, ending),
  );
  // Another filter still shows the former answer for a moment.
  const next = value?.of === path ? value?.next : undefined;
  const more = async (): Promise<void> => {
    if (path === undefined || next === undefined) return;
    try {
      const page = await get<List<Item>>(next);
      if (asked.current.path !== path) return;
      asked.current.count = Math.max(asked.current.count, (value?.count ?? 0) + 1);
      change((before) => (before.next === next ? extended(before, path, page) : before));
      setFailure(undefined);
    } catch (caught) {
      setFailure(messageOf(caught));
    }
  };
  return {
    items: value?.items,
    total: value?.pagination.total_items ?? 0,
    isTotalExact: value?.pagination.total_exact !== false,
    isSinglePage: value !== undefined && value.count === 1 && next === undefined,
    more: next === undefined ? undefined : more,
    error: error ?? failure,
    reload,
  };
}

async function readPages<Item extends Entry>(
  path: string,
  countWanted: () => number,
  ending: AbortSignal,
): Promise<Pages<Item>> {
  let pages = extended<Item>(undefined, path, await get<List<Item>>(path, ending));
  // Somebody may ask for more meanwhile.
  while (pages.next !== undefined && pages.count < countWanted())
    pages = extended(pages, path, await get<List<Item>>(pages.next, ending));
  return pages;
}

function extended<Item extends Entry>(
  before: Pages<Item> | undefined,
  path: string,
  { items, pagination }: List<Item>,
): Pages<Item> {
  const known = new Set(before?.items.map(({ id }) => id));
  return {
    of: path,
    items: [...(before?.items ?? []), ...items.filter(({ id }) => !known.has(id))],
    count: (before?.count ?? 0) + 1,
    pagination,
    next: nextPath(path, pagination),
  };
}

/** Events, deliveries and the like go back in time. */
function nextPath(path: string, { before, next, has_next: hasNext }: List<unknown>["pagination"]) {
  if (!hasNext) return undefined;
  if (typeof before === "string") return `${path}&before=${encodeURIComponent(before)}`;
  return typeof next === "string" ? `${path}&after=${encodeURIComponent(next)}` : undefined;
}

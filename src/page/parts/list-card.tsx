/** A card with a list or table, or with another text while the list is loading or empty. */
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { countText } from "../format.ts";
import type { PagedList } from "../list.ts";
import { Card, Failure, Pending } from "./basics.tsx";

interface ListProps {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly error?: string | undefined;
  /** Shown in place of an empty list. */
  readonly empty: VNode;
  /** Whose further pages a button shows. */
  readonly pages?: PagedList<unknown>;
}

export function ListCard({
  title,
  aside,
  items,
  error,
  empty,
  pages,
  children,
}: ListProps & {
  /** Undefined until the first answer. */
  readonly items: readonly unknown[] | undefined;
  readonly children: ComponentChildren;
}) {
  return (
    <Card title={title} aside={aside} flush>
      {items === undefined ? <Pending error={error} /> : items.length === 0 ? empty : children}
      {items !== undefined && pages !== undefined && <More pages={pages} />}
    </Card>
  );
}

/** A button that shows the next page below what is shown; the focus stays on it. */
function More({ pages: { items, total, isTotalExact, more, error } }: { pages: PagedList<unknown> }) {
  const [isBusy, setBusy] = useState(false);
  const end = useRef<HTMLParagraphElement>(null);
  const wasPressed = useRef(false);
  const isAtEnd = more === undefined;
  useEffect(() => {
    if (isAtEnd && wasPressed.current && document.activeElement === document.body) end.current?.focus();
  }, [isAtEnd]);
  if (isAtEnd && !wasPressed.current) return null;
  const shown = countText(items?.length ?? 0);
  if (isAtEnd) {
    return (
      <p class="more muted small" ref={end} tabIndex={-1} role="status">
        All {shown} are shown
      </p>
    );
  }
  const press = async (): Promise<void> => {
    if (isBusy) return;
    wasPressed.current = true;
    setBusy(true);
    await more();
    setBusy(false);
  };
  return (
    <div class="more">
      <button aria-busy={isBusy} onClick={() => void press()}>
        Show more
      </button>
      <span class="muted small" role="status">
        {shown} of {isTotalExact ? "" : "more than "}
        {countText(total)} shown
      </span>
      <Failure text={error} />
    </div>
  );
}

/** The heading of a column: of text, of numbers, or hidden from all but screen readers. */
export type Column = string | { readonly number: string } | { readonly hidden: string };

export function TableCard<Item>({
  name,
  title = name,
  columns,
  items,
  error,
  empty,
  pages,
  children,
}: Omit<ListProps, "title"> & {
  readonly name: string;
  /** The title of the card, if it differs from the name. */
  readonly title?: string | undefined;
  readonly columns: readonly Column[];
  readonly items: readonly Item[] | undefined;
  /** Makes the row of an item, with a key. */
  readonly children: (item: Item) => VNode;
}) {
  return (
    <ListCard title={title} items={items} error={error} empty={empty} {...(pages && { pages })}>
      <Table name={name} columns={columns}>
        {items?.map(children)}
      </Table>
    </ListCard>
  );
}

/** A table that scrolls sideways if it is too wide for the screen. */
export function Table({
  name,
  columns,
  children,
  ...more
}: {
  name: string;
  columns: readonly Column[];
  class?: string;
  children: ComponentChildren;
}) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={name}>
      <table {...more}>
        <thead>
          <tr>
            {columns.map((column) => (
              <ColumnHead key={JSON.stringify(column)} column={column} />
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function ColumnHead({ column }: { column: Column }) {
  if (typeof column === "string") return <th>{column}</th>;
  if ("number" in column) return <th class="number">{column.number}</th>;
  return (
    <th>
      <span class="hidden">{column.hidden}</span>
    </th>
  );
}

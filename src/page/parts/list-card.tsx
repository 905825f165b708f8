/** A card with a list or table, or with another text while the list is loading or empty. */
import type { ComponentChildren, VNode } from "preact";
import { Card, Pending } from "./basics.tsx";

interface ListProps {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly error?: string | undefined;
  /** Shown in place of an empty list. */
  readonly empty: VNode;
}

export function ListCard({
  title,
  aside,
  items,
  error,
  empty,
  children,
}: ListProps & {
  /** Undefined until the first answer. */
  readonly items: readonly unknown[] | undefined;
  readonly children: ComponentChildren;
}) {
  return (
    <Card title={title} aside={aside} flush>
      {items === undefined ? <Pending error={error} /> : items.length === 0 ? empty : children}
    </Card>
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
    <ListCard title={title} items={items} error={error} empty={empty}>
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

/**
 * The events of a batch as a statement reads them: column by column, in one order.
 *
 * As one JSON text, the server had to keep all of it in memory as a tree and to look up every value by its name. Arrays and
 * lines take less of its time, and each payload is parsed and forgotten on its own.
 */
import type { Id } from "../../model/identifiers.ts";

export interface EventColumns {
  readonly count: number;
  /** The text of an array, as the next two. */
  readonly ids: string;
  readonly messageIds: string;
  /** The numbers of their sources. */
  readonly sources: string;
  /** JSON texts without line breaks, one a line. */
  readonly payloads: string;
  /** Null: no event has a dedup_key. */
  readonly keys: readonly (string | null)[] | null;
  /** Null: no event says when it happened, or which rule it is for. Both come from timers, webhooks and files. */
  readonly particulars: EventParticulars | null;
  /** Null: no event has a traceparent. */
  readonly traces: EventTraces | null;
}

export interface EventParticulars {
  readonly occurredAt: readonly (string | null)[];
  readonly rules: readonly (Id | null)[];
  readonly ruleRefs: readonly (string | null)[];
}

export interface EventTraces {
  readonly parents: readonly (string | null)[];
  readonly states: readonly (string | null)[];
}

/** Which columns a batch has. */
export interface EventShape {
  /** Whether it is one event, whose columns need no functions that return rows. */
  readonly isLone: boolean;
  readonly hasKeys: boolean;
  readonly hasParticulars: boolean;
  readonly hasTraces: boolean;
  /** Whether the statement asks for the number of the source. */
  readonly hasSources: boolean;
}

/** A table for FROM: i id, m message id, p payload, s source, k dedup_key, o occurred_at, r rule, rr rule_ref, tp traceparent, ts tracestate. */
export function eventRows(
  { isLone, hasKeys, hasParticulars, hasTraces, hasSources }: EventShape,
  parameter: (value: (events: EventColumns) => unknown) => string,
): string {
  const columns: { readonly name: string; readonly array: string }[] = [];
  const add = (name: string, type: string, value: (events: EventColumns) => unknown): void => {
    columns.push({ name, array: `${parameter(value)}::${type}[]` });
  };
  const lines = `${parameter(({ payloads }) => payloads)}::text`;
  add("i", "bigint", ({ ids }) => ids);
  add("m", "uuid", ({ messageIds }) => messageIds);
  if (hasSources) add("s", "int", ({ sources }) => sources);
  if (hasKeys) add("k", "text", ({ keys }) => keys);
  if (hasParticulars) {
    add("o", "timestamptz", ({ particulars }) => particulars?.occurredAt);
    add("r", "bigint", ({ particulars }) => particulars?.rules);
    add("rr", "text", ({ particulars }) => particulars?.ruleRefs);
  }
  if (hasTraces) {
    add("tp", "text", ({ traces }) => traces?.parents);
    add("ts", "text", ({ traces }) => traces?.states);
  }
  if (isLone) {
    const values = columns.map(({ name, array }) => `(${array})[1] as ${name}`);
    return `(select ${lines}::jsonb as p, ${values.join(", ")}) as event`;
  }
  const names = columns.map(({ name }) => name).join(", ");
  const rows = columns.map(({ array }) => `unnest(${array})`).join(", ");
  return `(select line::jsonb as p, ${names}
               from rows from (string_to_table(${lines}, e'\\n'), ${rows}) as event (line, ${names})) as event`;
}

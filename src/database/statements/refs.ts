/** The names there are of each kind, to find the one that the author of an unknown name probably meant. */
import type { Statement } from "../statement.ts";

type ReadRefs = Statement<void, { readonly ref: string }>;

/** @param source what follows `from` */
function refsOf(kind: string, source = kind, column = "ref"): ReadRefs {
  return {
    name: `read_${kind}_refs`,
    text: `
    select ${column} as ref
      from ${source}
     order by 1
     limit 10000`,
    values: () => [],
    decode: (row) => ({ ref: row.text("ref") }),
  };
}

export const readRefs = {
  pack: refsOf("pack"),
  runtime: refsOf("runtime"),
  trigger: refsOf("trigger"),
  action: refsOf("action"),
  sensor: refsOf("sensor"),
  rule: refsOf("rule"),
  /** Rules on timer triggers. */
  timer: refsOf("timer", "timer_rule join rule on rule.id = timer_rule.rule"),
  worker: refsOf("worker", "worker", "name"),
} as const satisfies Readonly<Record<string, ReadRefs>>;

export type NamedKind = keyof typeof readRefs;

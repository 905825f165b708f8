/**
 * A schema as text for people and for comparison: what the catalogues say, in an order and form that do
 * not depend on the server's version.
 */
import type { Database } from "../../src/database/database.ts";
import { rowsOf, type Statement } from "../../src/database/statement.ts";

interface Line {
  readonly heading: string;
  readonly text: string;
}

/** Constraints of kind `n` (not null) are rows of their own since PostgreSQL 18; columns tell them here. */
const describeSchema: Statement<{ readonly schema: string }, Line> = {
  name: "describe_schema",
  text: `
    with relation as (
      select oid, relname, case relkind when 'p' then 'r' else relkind end as relkind, relispartition, relpartbound
        from pg_class
       where relnamespace = $1::text::regnamespace
    ),
    line (place, heading, part, position, text) as (
      select 1, 'enum ' || typname, 0, enumsortorder, enumlabel::text
        from pg_type
        join pg_enum on enumtypid = pg_type.oid
       where typnamespace = $1::text::regnamespace
      union all
      select 2, 'sequence ' || sequencename, 0, 0, data_type::text
        from pg_sequences
       where schemaname = $1
      union all
      select 3, 'table ' || relname, 0, attnum,
             concat_ws(' ', attname, format_type(atttypid, atttypmod),
                       case when attnotnull then 'not null' end,
                       'default ' || pg_get_expr(adbin, adrelid))
        from relation
        join pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
       where relkind = 'r'
      union all
      select 3, 'table ' || relname, 0, 10000, 'partition by ' || pg_get_partkeydef(relation.oid)
        from relation
        join pg_partitioned_table on partrelid = relation.oid
      union all
      select 3, 'table ' || relation.relname, 0, 10000,
             'partition of ' || parent.relname || ' ' || pg_get_expr(relation.relpartbound, relation.oid)
        from relation
        join pg_inherits on inhrelid = relation.oid
        join relation as parent on parent.oid = inhparent
       where relation.relkind = 'r'
      union all
      select 3, 'table ' || relname, 1, 0, 'constraint ' || conname || ' ' || pg_get_constraintdef(pg_constraint.oid)
        from relation
        join pg_constraint on conrelid = relation.oid and contype in ('c', 'f', 'p', 'u', 'x')
      union all
      select 3, 'table ' || relname, 2, 0, 'index ' || pg_get_indexdef(indexrelid)
        from relation
        join pg_index on indrelid = relation.oid
       where not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))
      union all
      select 3, 'table ' || relname, 3, 0, 'trigger ' || pg_get_triggerdef(pg_trigger.oid)
        from relation
        join pg_trigger on tgrelid = relation.oid and not tgisinternal
      union all
      select 4, 'view ' || relname, 0, number, definition
        from relation, unnest(string_to_array(pg_get_viewdef(oid), E'\\n')) with ordinality as line (definition, number)
       where relkind = 'v'
      union all
      select 5, 'function ' || proname, 0, number, source
        from pg_proc, unnest(string_to_array(prosrc, E'\\n')) with ordinality as line (source, number)
       where pronamespace = $1::text::regnamespace
    )
    select heading, text
      from line
     order by place, heading collate "C", part, position, text collate "C"`,
  values: ({ schema }) => [schema],
  decode: (row) => ({ heading: row.text("heading"), text: row.text("text") }),
};

export async function schemaText(database: Database): Promise<string> {
  const lines = await rowsOf(database, describeSchema, { schema: database.schema });
  const sections = Map.groupBy(lines, ({ heading }) => heading);
  return [...sections]
    .map(([heading, section]) => [heading, ...section.map(({ text }) => `  ${text}`.trimEnd())].join("\n"))
    .join("\n\n")
    .concat("\n");
}

import type { Statement } from "../statement.ts";

export interface SchemaObject {
  readonly kind: "table" | "view" | "other relation" | "enum" | "function";
  readonly name: string;
  /** A relation's columns as "name type", or an enum's labels; empty for a function. */
  readonly parts: readonly string[];
}

/**
 * Which of the given names a schema contains. Reads only the catalogues, so it needs no right on the schema.
 */
export const readSchemaContent: Statement<
  {
    readonly schema: string;
    readonly relations: readonly string[];
    readonly enums: readonly string[];
    readonly functions: readonly string[];
  },
  SchemaObject
> = {
  name: "read_schema_content",
  text: `
    select case when class.relkind in ('r', 'p') then 'table'
                when class.relkind = 'v' then 'view'
                else 'other relation'
            end as kind,
           class.relname::text as name,
           array(select attribute.attname || ' ' || type.typname
                   from pg_attribute as attribute
                   join pg_type as type
                     on type.oid = attribute.atttypid
                  where attribute.attrelid = class.oid
                    and attribute.attnum > 0
                    and not attribute.attisdropped) as parts
      from pg_class as class
      join pg_namespace as namespace
        on namespace.oid = class.relnamespace
     where namespace.nspname = $1
       and class.relname = any ($2)
       and class.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
     union all
    select 'enum', type.typname::text,
           array(select enumlabel::text
                   from pg_enum
                  where enumtypid = type.oid)
      from pg_type as type
      join pg_namespace as namespace
        on namespace.oid = type.typnamespace
     where namespace.nspname = $1
       and type.typname = any ($3)
     union all
    select 'function', proname::text, '{}'
      from pg_proc
      join pg_namespace as namespace
        on namespace.oid = pronamespace
     where namespace.nspname = $1
       and proname = any ($4)
       and pronargs = 0
     order by name`,
  values: ({ schema, relations, enums, functions }) => [schema, relations, enums, functions],
  decode: (row) => ({
    kind: row.word("kind", ["table", "view", "other relation", "enum", "function"]),
    name: row.text("name"),
    parts: row.texts("parts"),
  }),
};

import { noRows, noValue, type Statement } from "../statement.ts";

export interface AppliedVersion {
  readonly version: string;
  readonly name: string;
  readonly checksum: string;
}

/** Whether the table of applied migrations exists and is not another program's table of the same name. */
export const findMigrationTable: Statement<{ readonly schema: string }, boolean> = {
  name: "find_migration_table",
  text: `
    select count(*) = 3 as is_found
      from pg_attribute
     where attrelid = to_regclass(format('%I.schema_migration', $1::text))
       and attname in ('version', 'name', 'checksum')
       and not attisdropped`,
  values: ({ schema }) => [schema],
  decode: (row) => row.boolean("is_found"),
};

export const listAppliedVersions: Statement<undefined, AppliedVersion> = {
  name: "list_applied_versions",
  text: `
    select version, name, checksum
      from schema_migration
     order by version`,
  values: () => [],
  decode: (row) => ({
    version: row.text("version"),
    name: row.text("name"),
    checksum: row.text("checksum"),
  }),
};

/**
 * The name that the schema had when its functions were made, if it was another one. They look for their tables under the
 * name of then.
 */
export const readFormerSchema: Statement<{ readonly schema: string }, { readonly name: string }> = {
  name: "read_former_schema",
  text: `
    select substring(setting from '^search_path=(.*), pg_temp$') as name
      from pg_proc
     cross join unnest(proconfig) as setting
     where pronamespace = to_regnamespace(quote_ident($1))
       and proname = 'raise_rule_revision'
       and setting like 'search\\_path=%'
       and setting <> format('search_path=%I, pg_temp', $1::text)`,
  values: ({ schema }) => [schema],
  decode: (row) => ({ name: row.text("name") }),
};

/**
 * Lets only one transaction at a time migrate a schema. The lock ends with the transaction, so a process that dies
 * while migrating does not block others.
 */
export const waitToMigrate: Statement<{ readonly schema: string }, void> = {
  name: "wait_to_migrate",
  text: `
    select pg_advisory_xact_lock(hashtextextended($1::text || ':migrate', 0))`,
  values: ({ schema }) => [schema],
  decode: noValue,
};

/**
 * Until the end of the transaction, the role that applied the earlier migrations, if the session's role may act as it. So an
 * upgrade by a superuser makes no tables and functions that the owner of the others has no rights on.
 */
export const actAsOwner: Statement<undefined, void> = {
  name: "act_as_owner",
  text: `
    select set_config('role', pg_get_userbyid(relowner), true)
      from pg_class
     where oid = 'schema_migration'::regclass
       and pg_get_userbyid(relowner) <> current_user
       and pg_has_role(relowner, 'member')`,
  values: () => [],
  decode: noValue,
};

export const recordMigration: Statement<AppliedVersion, never> = {
  name: "record_migration",
  text: `
    insert into schema_migration (version, name, checksum)
    values ($1, $2, $3)`,
  values: ({ version, name, checksum }) => [version, name, checksum],
  decode: noRows,
};

/** The setting of `search_path` that the session's role has in this database, for sessions that name none. */
import { noValue, type Statement } from "../statement.ts";

export interface RoleSearchPath {
  /** As the server stores it; null if the role has no setting of its own here. */
  readonly searchPath: string | null;
  /** Whether a schema other than the agent's has a table with one of these names. */
  readonly hasOtherTables: boolean;
}

export const readRoleSearchPath: Statement<
  { readonly schema: string; readonly tables: readonly string[] },
  RoleSearchPath
> = {
  name: "read_role_search_path",
  text: `
    select (select substr(setting, length('search_path=') + 1)
              from pg_db_role_setting
             cross join unnest(setconfig) as setting
             where setdatabase = (select oid from pg_database where datname = current_database())
               and setrole = (select oid from pg_roles where rolname = current_user)
               and setting like 'search_path=%') as search_path,
           exists (select
                     from pg_class
                     join pg_namespace as namespace
                       on namespace.oid = relnamespace
                    where relkind in ('r', 'p')
                      and relname = any ($2)
                      and nspname <> $1) as has_other_tables`,
  values: ({ schema, tables }) => [schema, tables],
  decode: (row) => ({
    searchPath: row.textOrNull("search_path"),
    hasOtherTables: row.boolean("has_other_tables"),
  }),
};

/** Must be followed by `keepSearchPath` in the same transaction, which uses the path until it ends. */
export const chooseSearchPath: Statement<{ readonly searchPath: string }, void> = {
  name: "choose_search_path",
  text: `
    select set_config('search_path', $1, true)`,
  values: ({ searchPath }) => [searchPath],
  decode: noValue,
};

/** Stores the session's path, exactly as spelled, as the role's setting. */
export const keepSearchPath = `
  do $$
  begin
    execute format('alter role current_user in database %I set search_path from current', current_database());
  end
  $$`;

export const resetSearchPath = `
  do $$
  begin
    execute format('alter role current_user in database %I reset search_path', current_database());
  end
  $$`;

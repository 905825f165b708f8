/** Whether this session's role has the rights of an agent. */
import type { NeededRight } from "../rights/needed-rights.ts";
import { noRows, type Statement } from "../statement.ts";

export interface MissingRight {
  readonly role: string;
  readonly name: string;
  readonly privilege: string;
  /** The statement that grants it. */
  readonly grant: string;
}

/** SQL for whether policies let the role see every row of a table: the condition of one is `true`, for reading at least. */
const showsEveryRow = (table: string): string => `coalesce((
                  select bool_or(is_true) filter (where polpermissive)
                         and coalesce(bool_and(is_true) filter (where not polpermissive), true)
                    from (select polpermissive, pg_get_expr(polqual, polrelid) = 'true' as is_true
                            from pg_policy
                           where polrelid = ${table}
                             and polcmd in ('*', 'r')
                             and exists (select
                                           from unnest(polroles) as member (role)
                                          where case when role = 0 then true else pg_has_role(role, 'usage') end)) as policy), false)`;

/**
 * Lets the session follow row security if it is active and hides no row: until then, statements on such tables fail instead of
 * seeing fewer rows. Returns a row if it does.
 */
export const followPolicies: Statement<readonly NeededRight[], string> = {
  name: "follow_policies",
  text: `
    select set_config('row_security', 'on', false) as setting
      from (select bool_and(${showsEveryRow("class.oid")}) as are_all_shown
              from pg_class as class
             where class.relname = any ($1)
               and class.relnamespace = to_regnamespace(quote_ident(current_schema()))
               and row_security_active(class.oid)) as guarded
     where are_all_shown`,
  values: (needed) => [needed.flatMap(({ kind, name }) => (kind === "table" ? [name] : []))],
  decode: (row) => row.text("setting"),
};

/**
 * Skips what is missing: its migration has not been applied.
 *
 * Row security that hides rows from the role counts, too: an agent refuses to work without them.
 */
export const readMissingRights: Statement<readonly NeededRight[], MissingRight> = {
  name: "read_missing_rights",
  text: `
    with needed as (
      select listed.kind, listed.name, listed.privileges, object.name as object
        from jsonb_to_recordset($1::jsonb) as listed (kind text, name text, privileges jsonb)
       -- A function's name ends with the types of its parameters.
       cross join format('%I.%s', current_schema(), listed.name) as object (name)
    )
    select current_user::text as role, needed.name, privilege.value as privilege,
           format('grant %s on %s %s to %I', privilege.value, needed.kind, needed.object, current_user) as statement
      from needed
     cross join jsonb_array_elements_text(needed.privileges) as privilege (value)
     where case needed.kind
           when 'table'
           then to_regclass(needed.object) is not null and not has_table_privilege(needed.object, privilege.value)
           when 'sequence'
           then to_regclass(needed.object) is not null and not has_sequence_privilege(needed.object, privilege.value)
           else to_regprocedure(needed.object) is not null
                and not has_function_privilege(needed.object, privilege.value)
            end
     union all
    select current_user::text, needed.name, 'a policy for every row',
           format('create policy sensor_agent on %s to %I using (true)', needed.object, current_user)
      from needed
     where case when needed.kind = 'table' and to_regclass(needed.object) is not null and row_security_active(needed.object)
                then not ${showsEveryRow("to_regclass(needed.object)")}
                else false
            end
     order by name, privilege`,
  values: (needed) => [JSON.stringify(needed)],
  decode: (row) => ({
    role: row.text("role"),
    name: row.text("name"),
    privilege: row.text("privilege"),
    grant: row.text("statement"),
  }),
};

/**
 * Writes enough to need new space on the database's disk: incompressible text in a table that every agent may write
 * to. The caller rolls it back.
 */
export const tryToWrite: Statement<{ readonly marker: string }, never> = {
  name: "try_to_write",
  text: `
    insert into runtime_verification (worker_name, runtime_ref, fingerprint, outcome)
    select $1, 'trial', string_agg(md5(random()::text), ''), '{}'
      from generate_series(1, 4096)`,
  values: ({ marker }) => [marker],
  decode: noRows,
};

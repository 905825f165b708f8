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

/** Skips what is missing: its migration has not been applied. */
export const readMissingRights: Statement<readonly NeededRight[], MissingRight> = {
  name: "read_missing_rights",
  text: `
    select current_user::text as role, needed.name, privilege.value as privilege,
           format('grant %s on %s %s to %I', privilege.value, needed.kind, object.name, current_user) as statement
      from jsonb_to_recordset($1::jsonb) as needed (kind text, name text, privileges jsonb)
     cross join jsonb_array_elements_text(needed.privileges) as privilege (value)
     -- A function's name ends with the types of its parameters.
     cross join format('%I.%s', current_schema(), needed.name) as object (name)
     where case needed.kind
           when 'table'
           then to_regclass(object.name) is not null and not has_table_privilege(object.name, privilege.value)
           when 'sequence'
           then to_regclass(object.name) is not null and not has_sequence_privilege(object.name, privilege.value)
           else to_regprocedure(object.name) is not null
                and not has_function_privilege(object.name, privilege.value)
            end
     order by needed.name, privilege.value`,
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

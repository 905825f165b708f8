/** The rights of a running agent as SQL, for a role that does not own the schema. */
import { escapeIdentifier } from "pg";
import { neededRights } from "./needed-rights.ts";

export interface GrantTarget {
  readonly database: string;
  readonly schema: string;
  readonly role: string;
}

/**
 * Each ends without a semicolon. Granting an existing right again changes nothing.
 *
 * They include no default privileges: the rights that an agent will need on later tables are not known yet, and all
 * rights would be too many.
 */
export function grantStatements({ database, schema, role }: GrantTarget): readonly string[] {
  const to = `to ${escapeIdentifier(role)}`;
  const inSchema = escapeIdentifier(schema);
  return [
    `grant connect on database ${escapeIdentifier(database)} ${to}`,
    `grant usage on schema ${inSchema} ${to}`,
    ...neededRights.map(
      ({ kind, name, privileges }) => `grant ${privileges.join(", ")} on ${kind} ${inSchema}.${name} ${to}`,
    ),
  ];
}

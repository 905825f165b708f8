/** The rights of a running agent as SQL, for a role that does not own the schema. */
import { escapeIdentifier } from "pg";
import { neededRights } from "./needed-rights.ts";

export interface GrantTarget {
  readonly database: string;
  readonly schema: string;
  readonly role: string;
}

/**
 * Each ends without a semicolon. Granting again what is granted changes nothing.
 *
 * There are no default privileges among them: what an agent needs of a later table is not known yet, and everything
 * would be more than that.
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

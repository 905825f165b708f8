/**
 * What bare table names mean in a person's session is a setting of the role in the database, and the first migration sets it
 * to the agent's schema. Where it means something already, to the person or to another program that logs in with the
 * same role, it is left as it is: the agent's own sessions say which schema they use.
 */
import type { Queryable } from "../database.ts";
import { ownTables } from "./own-objects.ts";
import { rowOf } from "../statement.ts";
import {
  chooseSearchPath,
  keepSearchPath,
  readRoleSearchPath,
  resetSearchPath,
} from "../statements/search-path.ts";

/** Does the work of a transaction, and undoes what it did to a search path that meant something. */
export async function keepingSearchPath(
  transaction: Queryable,
  schema: string,
  work: () => Promise<void>,
): Promise<void> {
  const tables = Object.keys(ownTables);
  const before = await rowOf(transaction, readRoleSearchPath, { schema, tables });
  await work();
  if (before === undefined || (before.searchPath === null && !before.hasOtherTables)) return;

  const after = await rowOf(transaction, readRoleSearchPath, { schema, tables });
  if (after?.searchPath === before.searchPath) return;
  if (before.searchPath === null) {
    await transaction.query({ text: resetSearchPath });
    return;
  }
  await rowOf(transaction, chooseSearchPath, { searchPath: before.searchPath });
  await transaction.query({ text: keepSearchPath });
}

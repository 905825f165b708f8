/**
 * The role's search path in the database. The first migration sets it to the agent's schema, so that users need not
 * qualify table names. If the role already has one, which a user or another program with the same role may need, it is
 * kept: the agent's own sessions set their schema themselves.
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

/** Does the work of a transaction, and restores a search path that was in use. */
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

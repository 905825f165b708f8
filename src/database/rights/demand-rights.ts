import { OperatorError } from "../../errors/operator-error.ts";
import type { Database } from "../database.ts";
import { neededRights } from "./needed-rights.ts";
import { rowsOf } from "../statement.ts";
import { readMissingRights, type MissingRight } from "../statements/rights.ts";

/**
 * Refuses to start an agent whose role lacks a right. Otherwise one of its parts would fail later and repeatedly, or
 * would not work when needed, such as advancing the id sequences after a failover.
 *
 * @throws OperatorError DATABASE_RIGHTS_MISSING that lists every missing right
 */
export async function demandRights(database: Database): Promise<void> {
  // Its only role owns everything.
  if (database.kind === "embedded") return;
  const missing = await rowsOf(database, readMissingRights, neededRights);
  const [first] = missing;
  if (first === undefined) return;
  throw new OperatorError({
    code: "DATABASE_RIGHTS_MISSING",
    attempt: `use the schema ${database.schema} of the database at ${database.address}`,
    reason: `the role ${first.role} lacks ${describeRights(missing)}`,
    remedy: `as the owner of the schema, ${
      missing.every(isPolicy)
        ? `run: ${missing.map(({ grant }) => grant).join("; ")}`
        : `grant what "attune-sensor-agent migrate --print-grants --role ${first.role}" prints`
    }`,
  });
}

/** Grants do not help against row security. */
function isPolicy({ grant }: MissingRight): boolean {
  return grant.startsWith("create policy");
}

export function describeRights(
  rights: readonly { readonly name: string; readonly privilege: string }[],
): string {
  return rights.map(({ privilege, name }) => `${privilege} on ${name}`).join(", ");
}

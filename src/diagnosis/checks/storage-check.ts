import { randomUUID } from "node:crypto";
import type { Database } from "../../database/database.ts";
import { sqlState } from "../../database/errors.ts";
import { explainDatabaseFailure } from "../../database/explain-failure.ts";
import { rowsOf } from "../../database/statement.ts";
import { tryToWrite } from "../../database/statements/rights.ts";
import { good, wrong, type Finding } from "../finding.ts";

class TrialOverError extends Error {
  override readonly name = "TrialOverError";
}

/** Checks that the database accepts writes: it may answer every query while its disk is full. */
export async function checkStorage(database: Database): Promise<readonly Finding[]> {
  try {
    await database.transaction(async (transaction) => {
      await rowsOf(transaction, tryToWrite, { marker: `doctor ${randomUUID()}` });
      throw new TrialOverError("rolled back on purpose");
    });
    return [];
  } catch (error) {
    if (error instanceof TrialOverError) return [good("storage", "the database accepts new rows")];
    // The rights check reports a missing right.
    if (sqlState(error) === "42501") return [];
    const explanation = explainDatabaseFailure(error);
    if (explanation === undefined) throw error;
    const { code, reason, remedy } = explanation;
    return [
      wrong("storage", `the database accepts no new rows: ${reason}`, {
        remedy: `${remedy}; until then, sensors wait and store no events`,
        facts: { code },
      }),
    ];
  }
}

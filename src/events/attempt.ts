/**
 * One attempt to store a batch, and the ends it can have.
 *
 * The end says what is known, not what to do: that is the one switch in batch-work.ts.
 */
import type { Queryable } from "../database/database.ts";
import { classifyDatabaseError, isTooMuchForOneStatement, sqlState } from "../database/errors.ts";
import { rowsOf } from "../database/statement.ts";
import type { BatchToStore, StoredBatch } from "../database/statements/batch-to-store.ts";
import { isIdTaken, storeBatch } from "../database/statements/batches.ts";
import { messageOf } from "../errors/caught.ts";

export type AttemptEnd =
  /** The commit was seen. What it left out is fenced, or there already. */
  | { readonly kind: "committed"; readonly stored: StoredBatch }
  /** Nothing was stored: the batch was matched against older rules. */
  | { readonly kind: "rules changed" }
  /** Nothing was stored: a row has one of the ids, from an earlier attempt or from others. */
  | { readonly kind: "id taken"; readonly error: unknown }
  /** Nothing was stored, because of what other statements did at the same time. */
  | { readonly kind: "conflict"; readonly error: unknown }
  /** Nothing was stored: the database cannot store anything at present. */
  | { readonly kind: "unavailable"; readonly error: unknown }
  /** The database does not take something in the batch. */
  | { readonly kind: "rejected"; readonly reason: string; readonly isInDoubt: boolean }
  /** No answer in time, a broken connection, or a fault: perhaps because of something in the batch. */
  | { readonly kind: "failed"; readonly error: unknown; readonly isInDoubt: boolean };

export async function attempt(database: Queryable, batch: BatchToStore): Promise<AttemptEnd> {
  let stored: StoredBatch | undefined;
  try {
    [stored] = await rowsOf(database, storeBatch(batch), batch);
  } catch (error) {
    return endOf(error);
  }
  // The embedded database answers some values that it cannot take with neither a row nor an error.
  if (stored === undefined)
    return { kind: "rejected", reason: "the database gives no answer to it", isInDoubt: true };
  return stored.isCurrent ? { kind: "committed", stored } : { kind: "rules changed" };
}

function endOf(error: unknown): AttemptEnd {
  if (isIdTaken(error)) return { kind: "id taken", error };
  if (isTooMuchForOneStatement(error)) return { kind: "failed", error, isInDoubt: false };
  const kind = classifyDatabaseError(error);
  switch (kind) {
    case "conflict":
    case "unavailable":
      return { kind, error };
    case "rejected-data": {
      const reason = `the database refuses it: ${messageOf(error)}`;
      return { kind: "rejected", reason, isInDoubt: false };
    }
    case "ambiguous":
      return { kind: "failed", error, isInDoubt: true };
    case "defect":
      // An error of the server rolls back; any other says nothing of what the server did.
      return { kind: "failed", error, isInDoubt: sqlState(error) === undefined };
  }
}

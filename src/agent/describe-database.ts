import type { Database } from "../database/database.ts";

/** Names the database a command used, so that the operator notices an unintended embedded one. */
export function describeDatabase({ kind, address }: Pick<Database, "kind" | "address">): string {
  return kind === "embedded" ? `the embedded database in ${address}` : address;
}

import type { Database } from "../database/database.ts";

/** Which database a command used: an embedded one may be another than was meant. */
export function toldDatabase({ kind, address }: Pick<Database, "kind" | "address">): string {
  return kind === "embedded" ? `the embedded database in ${address}` : address;
}

/** The ref that the author of a ref without a row probably meant. */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { readRefs } from "../database/statements/explained-events.ts";
import { nearestRef } from "../model/texts/nearest-name.ts";

export async function readLikelyRef(
  rows: Queryable,
  kind: keyof typeof readRefs,
  ref: string,
): Promise<string | undefined> {
  const refs = await rowsOf(rows, readRefs[kind], undefined);
  return nearestRef(
    ref,
    refs.map((each) => each.ref),
  );
}

/** The ref that the author of a ref without a row probably meant. */
import { nearestRef } from "../model/texts/nearest-name.ts";
import { meantText } from "../model/texts/meant-text.ts";
import type { Queryable } from "./database.ts";
import { rowsOf } from "./statement.ts";
import { readRefs, type NamedKind } from "./statements/refs.ts";

/** Longer than any ref; comparing takes time with the length. */
const lengthMax = 300;

export async function readLikelyRef(
  rows: Queryable,
  kind: NamedKind,
  ref: string,
): Promise<string | undefined> {
  if (ref.length > lengthMax) return undefined;
  const refs = await rowsOf(rows, readRefs[kind], undefined);
  return nearestRef(
    ref,
    refs.map((each) => each.ref),
  );
}

/** A clause about a ref without a row. */
export async function unknownRefText(rows: Queryable, kind: NamedKind, ref: string): Promise<string> {
  return `${ref} does not exist${meantText(await readLikelyRef(rows, kind, ref))}`;
}

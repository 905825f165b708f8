/**
 * The record of a pack's last load, stored in its row under `meta.definitions`: which definitions it created
 * and their `enabled` values, such as `{"rule": {"logwatch.errors": true}, "action": {"logwatch.note": null}}`.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { kinds, type Kind } from "../model/definition-schemas.ts";
import type { Pack } from "./pack.ts";

export type LastLoad = readonly {
  readonly kind: Kind;
  readonly ref: string;
  readonly enabled: JsonValue;
}[];

/** Empty if the pack was never loaded from files or the record in its row is not usable. */
export function lastLoadOf(meta: JsonObject): LastLoad {
  const { definitions } = meta;
  if (!isJsonObject(definitions)) return [];
  return kinds.flatMap((kind) => {
    const ofKind = definitions[kind];
    if (!isJsonObject(ofKind)) return [];
    return Object.entries(ofKind).map(([ref, enabled]) => ({ kind, ref, enabled }));
  });
}

/** The pack's `meta` with the record of this load. */
export function lastLoadMeta({ row, definitions }: Pack): JsonObject {
  const ofKind = (kind: Kind): JsonObject =>
    Object.fromEntries(
      definitions.filter((one) => one.kind === kind).map(({ ref, enabled }) => [ref, enabled]),
    );
  const meta = isJsonObject(row["meta"]) ? row["meta"] : {};
  return { ...meta, definitions: Object.fromEntries(kinds.map((kind) => [kind, ofKind(kind)])) };
}

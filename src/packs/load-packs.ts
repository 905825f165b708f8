/**
 * Loads packs: makes the rows match the files in one transaction, all or nothing. Files are read and checked
 * beforehand without a database; only references are checked against it.
 *
 * The files override the rows, except for `enabled`: if an operator disables a rule in the database, the
 * row's value stays until the file's value changes. A definition that was removed from the files is removed
 * from the database if an earlier load created it; rows that were inserted by other means under the pack's
 * name stay. Both need the record of the last load, which is stored in the pack's row.
 */
import type { Database, Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  lockPacks,
  readDefinitionRefs,
  readPackManifests,
  removeDefinitions,
  setFurtherTriggers,
  upsertDefinitions,
  upsertPack,
} from "../database/statements/packs.ts";
import { noteAuthor } from "../database/statements/rule-versions.ts";
import { kinds, type Kind } from "../model/definition-schemas.ts";
import { lastLoadMeta, lastLoadOf, type LastLoad } from "./last-load.ts";
import type { Definition, Pack } from "./pack.ts";
import { packInvalid, type PackProblem } from "./pack-problem.ts";
import { unresolvedReferences, type Named } from "./references.ts";
import { webhookConflicts } from "./webhook-conflicts.ts";

export interface LoadReport {
  readonly changes: readonly DefinitionChange[];
  /** Definitions that already matched their files. */
  readonly unchanged: readonly DefinitionName[];
}

export interface DefinitionName {
  readonly kind: Kind | "pack";
  readonly ref: string;
}

export interface DefinitionChange extends DefinitionName {
  readonly change: "created" | "updated" | "removed";
}

export type LoadOutcome =
  | { readonly kind: "loaded"; readonly report: LoadReport }
  /** They do not go with what is in the database; nothing was loaded. */
  | { readonly kind: "unresolved"; readonly problems: readonly PackProblem[] };

/** @throws OperatorError PACK_INVALID with all unresolved references and conflicts; nothing is loaded then */
export async function loadPacks(database: Database, packs: readonly Pack[]): Promise<LoadReport> {
  const outcome = await database.transaction((transaction) => loadInto(transaction, packs));
  if (outcome.kind === "unresolved") throw packInvalid(outcome.problems);
  return outcome.report;
}

/** @param by the login that asks for it; undefined for one with access to the database */
export async function loadInto(
  transaction: Queryable,
  packs: readonly Pack[],
  by?: string,
): Promise<LoadOutcome> {
  const refs = packs.map(({ ref }) => ref).join(",");
  await rowOf(transaction, noteAuthor, `pack:${refs}${by === undefined ? "" : ` (api:${by})`}`);
  await rowsOf(transaction, lockPacks, undefined);
  const lastLoads = await readLastLoads(transaction, packs);
  const vanished = packs.flatMap((pack) => vanishedSince(lastLoads.get(pack.ref), pack));
  const problems = [
    ...(await missingReferences(transaction, packs, vanished)),
    ...(await conflictProblems(transaction, packs, lastLoads, vanished)),
  ];
  if (problems.length > 0) return { kind: "unresolved", problems };

  const changes = [
    ...(await upsertAll(transaction, packs, lastLoads)),
    ...(await removeAll(transaction, vanished)),
  ];
  return { kind: "loaded", report: { changes, unchanged: untouched(packs, changes) } };
}

function untouched(packs: readonly Pack[], changes: readonly DefinitionChange[]): readonly DefinitionName[] {
  const touched = new Set(changes.map(keyOf));
  return packs
    .flatMap(({ ref, definitions }): DefinitionName[] => [{ kind: "pack", ref }, ...definitions])
    .filter((definition) => !touched.has(keyOf(definition)))
    .map(({ kind, ref }) => ({ kind, ref }));
}

type LastLoads = ReadonlyMap<string, LastLoad>;

async function readLastLoads(transaction: Queryable, packs: readonly Pack[]): Promise<LastLoads> {
  const rows = await rowsOf(
    transaction,
    readPackManifests,
    packs.map(({ ref }) => ref),
  );
  return new Map(rows.map(({ packRef, meta }) => [packRef, lastLoadOf(meta)]));
}

function vanishedSince(lastLoad: LastLoad | undefined, pack: Pack): readonly Named[] {
  const present = new Set(pack.definitions.map(keyOf));
  return (lastLoad ?? []).filter((definition) => !present.has(keyOf(definition)));
}

/** References to definitions that are neither in these packs nor in the database, or are about to be removed. */
async function missingReferences(
  transaction: Queryable,
  packs: readonly Pack[],
  vanished: readonly Named[],
): Promise<readonly PackProblem[]> {
  const removed = new Set(vanished.map(keyOf));
  const existing = await rowsOf(transaction, readDefinitionRefs, undefined);
  const definitions = packs.flatMap((pack) => pack.definitions);
  const known = [...existing.filter((definition) => !removed.has(keyOf(definition))), ...definitions];
  return unresolvedReferences(definitions, known).map(({ problem }) => problem);
}

/** Rules whose webhook another rule answers with other settings. */
async function conflictProblems(
  transaction: Queryable,
  packs: readonly Pack[],
  lastLoads: LastLoads,
  vanished: readonly Named[],
): Promise<readonly PackProblem[]> {
  const rules = packs.flatMap((pack) => {
    const keepsEnabled = enabledKeeper(lastLoads.get(pack.ref));
    return pack.definitions
      .filter(({ kind }) => kind === "rule")
      .map((definition) => ({ definition, keepsEnabled: keepsEnabled(definition) }));
  });
  const conflicts = await webhookConflicts(
    transaction,
    rules.map(({ definition: { ref, row }, keepsEnabled }) => ({ ref, row, keepsEnabled })),
    vanished.filter(({ kind }) => kind === "rule").map(({ ref }) => ref),
  );
  return conflicts.flatMap(({ ref, problem }) =>
    rules
      .filter(({ definition }) => definition.ref === ref)
      .map(({ definition }) => definition.problemAt(["trigger_params", "path"], problem)),
  );
}

async function upsertAll(
  transaction: Queryable,
  packs: readonly Pack[],
  lastLoads: LastLoads,
): Promise<readonly DefinitionChange[]> {
  const changes: DefinitionChange[] = [];
  const record = (kind: Kind | "pack", upserted: readonly { ref: string; isNew: boolean }[]): void => {
    for (const { ref, isNew } of upserted) changes.push({ kind, ref, change: isNew ? "created" : "updated" });
  };

  for (const pack of packs) {
    record("pack", await rowsOf(transaction, upsertPack, { ...pack.row, meta: lastLoadMeta(pack) }));
  }
  // Kind by kind over all packs, so that referenced definitions exist, whichever pack they are in.
  for (const kind of kinds) {
    for (const pack of packs) {
      const rows = rowsOfKind(pack, kind, lastLoads.get(pack.ref));
      if (rows.length === 0) continue;
      const upserted = await rowsOf(transaction, upsertDefinitions[kind], { packRef: pack.ref, rows });
      record(kind, upserted);
      if (kind !== "sensor") continue;
      const retriggered = await rowsOf(transaction, setFurtherTriggers, rows);
      const known = new Set(upserted.map(({ ref }) => ref));
      record(
        kind,
        retriggered.filter(({ ref }) => !known.has(ref)).map(({ ref }) => ({ ref, isNew: false })),
      );
    }
  }
  return changes;
}

function rowsOfKind(pack: Pack, kind: Kind, lastLoad: LastLoad | undefined) {
  const keepsEnabled = enabledKeeper(lastLoad);
  return pack.definitions
    .filter((definition) => definition.kind === kind)
    .map((definition) => ({ ...definition.row, keeps_enabled: keepsEnabled(definition) }));
}

/** Tells which definitions keep the `enabled` of their rows: those whose files say what they said at the last load. */
function enabledKeeper(lastLoad: LastLoad | undefined): (definition: Definition) => boolean {
  const enabledBefore = new Map(
    (lastLoad ?? []).map((definition) => [keyOf(definition), definition.enabled]),
  );
  return (definition) => enabledBefore.get(keyOf(definition)) === definition.enabled;
}

async function removeAll(
  transaction: Queryable,
  vanished: readonly Named[],
): Promise<readonly DefinitionChange[]> {
  const changes: DefinitionChange[] = [];
  for (const kind of kinds.toReversed()) {
    const refs = vanished.filter((definition) => definition.kind === kind).map(({ ref }) => ref);
    if (refs.length === 0) continue;
    const removed = await rowsOf(transaction, removeDefinitions[kind], refs);
    for (const { ref } of removed) changes.push({ kind, ref, change: "removed" });
  }
  return changes;
}

function keyOf({ kind, ref }: DefinitionName): string {
  return `${kind} ${ref}`;
}

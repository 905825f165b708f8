/**
 * Loads packs: reads and checks all of them, then makes the rows say what the files say, in one
 * transaction. Either everything is loaded or nothing.
 *
 * The files win over the rows, with one exception: `enabled`. An operator who disables a rule in the
 * database means it, so the row's value stays until the file's own value changes. And a definition that
 * has vanished from the files is removed, if an earlier load made it; rows that somebody inserted under
 * the pack's name stay. Both need the memory of the last load, which is kept in the pack's row.
 */
import type { Database, Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import {
  lockPacks,
  readDefinitionRefs,
  readPackManifests,
  removeDefinitions,
  setFurtherTriggers,
  upsertDefinitions,
  upsertPack,
} from "../database/statements/packs.ts";
import { kinds, type Kind } from "./definition-schemas.ts";
import { lastLoadMeta, lastLoadOf, type LastLoad } from "./last-load.ts";
import type { Pack } from "./pack.ts";
import { packInvalid, type PackProblem } from "./pack-problem.ts";
import { readPack } from "./read-pack.ts";

export interface LoadReport {
  readonly changes: readonly DefinitionChange[];
  /** How many definitions were already as their files say. */
  readonly unchanged: number;
  readonly warnings: readonly PackProblem[];
}

export interface DefinitionChange {
  readonly kind: Kind | "pack";
  readonly ref: string;
  readonly change: "created" | "updated" | "removed";
}

/** @throws OperatorError PACK_INVALID with every problem in every pack; then nothing was loaded */
export async function loadPacks(database: Database, directories: readonly string[]): Promise<LoadReport> {
  const reports = await Promise.all(directories.map(readPack));
  const problems = reports.flatMap((report) => (report.kind === "rejected" ? report.problems : []));
  const packs = reports.flatMap((report) => (report.kind === "accepted" ? [report.pack] : []));
  const warnings = reports.flatMap((report) => (report.kind === "accepted" ? report.warnings : []));
  problems.push(...samePacks(packs));
  // References are looked at only when all packs are readable: else what a broken file defines would be missed.
  if (problems.length > 0) throw packInvalid(problems);

  return database.transaction(async (transaction) => {
    await rowsOf(transaction, lockPacks, undefined);
    const lastLoads = await readLastLoads(transaction, packs);
    const vanished = packs.flatMap((pack) => vanishedSince(lastLoads.get(pack.ref), pack));
    const missing = await missingReferences(transaction, packs, vanished);
    if (missing.length > 0) throw packInvalid(missing);

    const changes = [
      ...(await upsertAll(transaction, packs, lastLoads)),
      ...(await removeAll(transaction, vanished)),
    ];
    const defined = packs.flatMap((pack) => pack.definitions).length;
    const touched = changes.filter(({ kind, change }) => kind !== "pack" && change !== "removed").length;
    return { changes, unchanged: defined - touched, warnings };
  });
}

function samePacks(packs: readonly Pack[]): readonly PackProblem[] {
  return packs.flatMap(({ directory, ref }, index) => {
    const first = packs.findIndex((other) => other.ref === ref);
    const reason = `is the ref of the pack in ${packs[first]?.directory ?? ""} too`;
    return first === index ? [] : [{ directory, file: "pack.yaml", line: 1, field: "ref", reason }];
  });
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

interface Named {
  readonly kind: Kind;
  readonly ref: string;
}

function vanishedSince(lastLoad: LastLoad | undefined, pack: Pack): readonly Named[] {
  const present = new Set(pack.definitions.map(keyOf));
  return (lastLoad ?? []).filter((definition) => !present.has(keyOf(definition)));
}

/** References to what is neither in these packs nor in the database, or is about to be removed from it. */
async function missingReferences(
  transaction: Queryable,
  packs: readonly Pack[],
  vanished: readonly Named[],
): Promise<readonly PackProblem[]> {
  const existing = new Set((await rowsOf(transaction, readDefinitionRefs, undefined)).map(keyOf));
  for (const definition of vanished) existing.delete(keyOf(definition));
  const definitions = packs.flatMap((pack) => pack.definitions);
  for (const definition of definitions) existing.add(keyOf(definition));
  return definitions
    .flatMap(({ references }) => references)
    .flatMap((reference) => (existing.has(keyOf(reference)) ? [] : [reference.ifMissing]));
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
  // Kind by kind over all packs, so that what is referred to is there, whichever pack it is in.
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
  const enabledBefore = new Map(
    (lastLoad ?? []).map((definition) => [keyOf(definition), definition.enabled]),
  );
  return pack.definitions
    .filter((definition) => definition.kind === kind)
    .map((definition) => ({
      ...definition.row,
      keeps_enabled: enabledBefore.get(keyOf(definition)) === definition.enabled,
    }));
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

function keyOf({ kind, ref }: Named): string {
  return `${kind} ${ref}`;
}

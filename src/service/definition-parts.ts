/** What the API is given to read and change definitions with. */
import type { Resources } from "../api/ports.ts";
import type { DefinitionPorts, DefinitionEditPorts } from "../api/definitions/ports.ts";
import { BoundedTransactions } from "../database/bounded-transactions.ts";
import type { Database, Queryable } from "../database/database.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import { readPage } from "../database/page.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import type { DefinitionName } from "../database/statements/definition-edits.ts";
import {
  listDefinitions,
  readDefinition,
  type DefinitionEntry,
  type ListedKind,
} from "../database/statements/definition-lists.ts";
import { readLastMatches } from "../database/statements/event-list.ts";
import { noteAuthor, readVersion, readVersionsOfRef } from "../database/statements/rule-versions.ts";
import { readSensor } from "../database/statements/sensor-list.ts";
import type { DefinitionEdit, DefinitionKind } from "../model/definition-edit.ts";
import type { Id } from "../model/identifiers.ts";
import {
  changeDefinition,
  changeWebhook,
  createDefinition,
  removeDefinition,
  revertRule,
  switchTo,
} from "../packs/edit-definitions.ts";
import { importPacks } from "../packs/import-packs.ts";

type Read = <T>(what: string, work: (rows: Queryable) => Promise<T>) => Promise<T>;

/** Edits come one after the other in the whole installation, so more at once would only wait for each other. */
const editLimits = { atOnceMax: 1, waitingMax: 64, statementMs: 5_000, totalMs: 10_000 };

type Definitions = Pick<
  Resources,
  | "packs"
  | "importPacks"
  | "ruleHistory"
  | "runtimes"
  | "triggers"
  | "actions"
  | "rules"
  | "readLastMatches"
  | "sensorEdits"
>;

export function databaseDefinitions(database: Database, read: Read): Definitions {
  const edits = new BoundedTransactions(database, "read write", editLimits);
  const edit = <T>(what: string, by: string, work: (rows: Queryable) => Promise<T>): Promise<T> =>
    explainingDatabaseFailures(`change ${what} in the database at ${database.address}`, () =>
      edits.run(async (rows) => {
        await rowOf(rows, noteAuthor, by);
        return work(rows);
      }),
    );

  const editPorts = <Entry>(
    kind: DefinitionKind,
    readEntry: (rows: Queryable, name: DefinitionName) => Promise<Entry | undefined>,
  ): DefinitionEditPorts<Entry> => {
    const withEntry = (rows: Queryable, done: DefinitionEdit<Id>): Promise<DefinitionEdit<Entry>> =>
      entryOf(rows, done, readEntry);
    const what = `a ${kind}`;
    return {
      create: (by, body) =>
        edit(what, `api:${by}`, async (rows) => withEntry(rows, await createDefinition(rows, kind, body))),
      change: (by, name, isExpected, body) =>
        edit(what, `api:${by}`, async (rows) =>
          withEntry(rows, await changeDefinition(rows, kind, name, isExpected, body)),
        ),
      remove: (by, name, isExpected) =>
        edit(what, `api:${by}`, (rows) => removeDefinition(rows, kind, name, isExpected)),
      switchTo: (by, isEnabled, name, isExpected) =>
        edit(what, `api:${by}`, async (rows) => {
          if (kind !== "trigger" && kind !== "sensor" && kind !== "rule") return { kind: "missing" };
          return withEntry(rows, await switchTo(isEnabled, rows, kind, name, isExpected));
        }),
      changeWebhook: (by, change, name, isExpected, config) =>
        edit(what, `api:${by}`, async (rows) =>
          withEntry(rows, await changeWebhook(rows, name, isExpected, change, config)),
        ),
    };
  };

  const ports = (kind: ListedKind): DefinitionPorts => ({
    list: (order, request) =>
      read(`${kind}s`, (rows) => readPage(rows, listDefinitions(kind, order), request)),
    read: (name) => read(`a ${kind}`, (rows) => rowOf(rows, readDefinition[kind], name)),
    ...editPorts<DefinitionEntry>(kind, (rows, name) => rowOf(rows, readDefinition[kind], name)),
  });

  return {
    packs: ports("pack"),
    importPacks: (by, body) => edit("packs", `api:${by}`, (rows) => importPacks(rows, body, by)),
    runtimes: ports("runtime"),
    triggers: ports("trigger"),
    actions: ports("action"),
    rules: ports("rule"),
    readLastMatches: (ids) =>
      read("matches of rules", async (rows) => {
        const matches = await rowsOf(rows, readLastMatches, ids);
        return new Map(matches.map(({ ruleId, matchedAt }) => [ruleId, matchedAt]));
      }),
    ruleHistory: {
      versions: (ref) => read("versions of a rule", (rows) => rowsOf(rows, readVersionsOfRef, ref)),
      revert: (by, ref, version) =>
        edit("a rule", `api:${by} (revert to version ${version})`, async (rows) => {
          const found = await rowOf(rows, readVersion, { ref, version });
          if (found === undefined) return { kind: "missing" };
          return entryOf(rows, await revertRule(rows, found), (snapshot, name) =>
            rowOf(snapshot, readDefinition.rule, name),
          );
        }),
    },
    sensorEdits: editPorts("sensor", (rows, name) => rowOf(rows, readSensor, name)),
  };
}

/** The entry as the edit left it. */
async function entryOf<Entry>(
  rows: Queryable,
  done: DefinitionEdit<Id>,
  readEntry: (rows: Queryable, name: DefinitionName) => Promise<Entry | undefined>,
): Promise<DefinitionEdit<Entry>> {
  if (done.kind !== "done") return done;
  // A ref is never empty.
  const entry = await readEntry(rows, { ref: "", id: done.result });
  return entry === undefined ? { kind: "missing" } : { kind: "done", result: entry };
}

/**
 * Reads a pack's folder: `pack.yaml` and the definitions in `runtimes/`, `triggers/`, `actions/`, `sensors/`
 * and `rules/`. Reports all problems in all files at once.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hasCode, messageOf } from "../errors/caught.ts";
import { columns, completeDefinition, type DefinitionReport, type DefinitionContext } from "./definition.ts";
import { readDefinition, type FileReport } from "./definition-file.ts";
import { folderOf, isDefinitionFile, kinds, type Kind } from "../model/definition-schemas.ts";
import { misnamedFolders } from "./misnamed-folders.ts";
import { ownRef, packNaming } from "./names.ts";
import type { Definition, Pack } from "./pack.ts";
import type { PackProblem, PackWarning } from "./pack-problem.ts";

export type PackReport =
  | { readonly kind: "accepted"; readonly pack: Pack; readonly warnings: readonly PackWarning[] }
  | {
      readonly kind: "rejected";
      readonly problems: readonly PackProblem[];
      readonly warnings: readonly PackWarning[];
      /** Those in which nothing is wrong; none without a valid `pack.yaml`. */
      readonly definitions: readonly Definition[];
    };

export async function readPack(directory: string): Promise<PackReport> {
  const unusable = await folderProblem(directory);
  if (unusable !== undefined) {
    return { kind: "rejected", problems: [unusable], warnings: [], definitions: [] };
  }
  const misnamed = await misnamedFolders(directory);
  const manifest = await readManifest(directory);
  const files = (await Promise.all(kinds.map((kind) => readKind(directory, kind)))).flat();
  if (manifest.kind === "rejected") {
    // Without the pack's ref, its files can only be checked one by one.
    return {
      kind: "rejected",
      problems: [...misnamed, ...manifest.problems, ...files.flatMap(({ problems }) => problems)],
      warnings: files.flatMap(({ warnings }) => warnings),
      definitions: [],
    };
  }
  const { fields, problemAt } = manifest.definition;
  const ownRuntimes = files.flatMap(({ kind, ref }) => (kind === "runtime" && ref !== null ? [ref] : []));
  const context = {
    directory,
    packRef: fields.ref,
    naming: packNaming(fields.ref, new Set(ownRuntimes.map((ref) => ownRef(fields.ref, ref) ?? ref))),
  };
  const reports = await Promise.all(files.map(({ complete }) => complete(context)));

  const definitions = reports.flatMap((report) => report.definition ?? []);
  const problems = [
    ...misnamed,
    ...reports.flatMap((report) => report.problems),
    ...repetitions(definitions),
  ];
  const warnings = [
    ...manifest.warnings,
    ...files.flatMap((file) => file.warnings),
    ...reports.flatMap((report) => report.warnings ?? []),
  ];
  if (problems.length > 0) {
    const valid = reports.flatMap((report) =>
      report.definition === undefined || report.problems.length > 0 ? [] : [report.definition],
    );
    return { kind: "rejected", problems, warnings, definitions: valid };
  }
  const row = columns({ label: fields.ref, description: null, ...fields });
  return {
    kind: "accepted",
    pack: { directory, ref: fields.ref, row, definitions, problemAt },
    warnings,
  };
}

async function readManifest(directory: string): Promise<FileReport<"pack">> {
  for (const file of ["pack.yaml", "pack.yml"]) {
    const text = await readText(directory, file);
    if (text.kind === "read") return readDefinition("pack", { directory, file, text: text.text });
    if (!text.isMissing) return { kind: "rejected", problems: [text.problem] };
  }
  const around = join(directory, "..");
  const isInside = (await readText(around, "pack.yaml")).kind === "read";
  const packs = isInside ? [around] : (await packsInside(directory)).map((pack) => join(directory, pack));
  const suggestion =
    packs.length === 0 ? "write one, or give the folder of a pack" : `did you mean ${packs.join(" ")}?`;
  return { kind: "rejected", problems: [ofFolder(directory, "has no pack.yaml", suggestion)] };
}

/** The packs in a folder of packs, which is easily given in place of theirs. */
async function packsInside(directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory)).toSorted();
  const files = await Promise.all(names.map((name) => readText(join(directory, name), "pack.yaml")));
  return names.filter((_, index) => files[index]?.kind === "read");
}

async function folderProblem(directory: string): Promise<PackProblem | undefined> {
  try {
    if ((await stat(directory)).isDirectory()) return undefined;
    const isManifest = ["pack.yaml", "pack.yml"].includes(basename(directory));
    const suggestion = isManifest ? `did you mean ${dirname(directory)}?` : "give the folder of a pack";
    return ofFolder(directory, "is not a folder", suggestion);
  } catch (error) {
    if (isMissing(error)) return ofFolder(directory, "does not exist", "give the folder of a pack");
    return { directory, file: null, line: 1, field: null, reason: `cannot be read: ${messageOf(error)}` };
  }
}

function ofFolder(directory: string, problem: string, suggestion: string): PackProblem {
  return { directory, file: null, line: 1, field: null, reason: `${problem}; ${suggestion}`, suggestion };
}

interface FileOfKind {
  readonly kind: Kind;
  /** As written; null if the file was rejected. */
  readonly ref: string | null;
  readonly warnings: readonly PackWarning[];
  /** Problems of the file on its own. */
  readonly problems: readonly PackProblem[];
  readonly complete: (context: DefinitionContext) => Promise<DefinitionReport>;
}

/** All files of one kind, in order of name. */
async function readKind(directory: string, kind: Kind): Promise<FileOfKind[]> {
  const folder = folderOf(kind);
  try {
    const names = await yamlNames(join(directory, folder));
    return await Promise.all(names.map((name) => readFileOfKind(directory, kind, join(folder, name))));
  } catch (error) {
    const reason = `cannot be read: ${messageOf(error)}`;
    return [
      rejectedFile(kind, [{ directory: join(directory, folder), file: null, line: 1, field: null, reason }]),
    ];
  }
}

function rejectedFile(kind: Kind, problems: readonly PackProblem[]): FileOfKind {
  return { kind, ref: null, warnings: [], problems, complete: async () => ({ problems }) };
}

async function readFileOfKind(directory: string, kind: Kind, file: string): Promise<FileOfKind> {
  const source = await readText(directory, file);
  const report =
    source.kind === "read"
      ? readDefinition(kind, { directory, file, text: source.text })
      : { kind: "rejected" as const, problems: [source.problem] };
  if (report.kind === "rejected") return rejectedFile(kind, report.problems);
  const { definition, warnings } = report;
  const complete = (context: DefinitionContext) => completeDefinition(kind, definition, context);
  return { kind, ref: definition.fields.ref, warnings, problems: [], complete };
}

type Text =
  | { readonly kind: "read"; readonly text: string }
  | { readonly kind: "unread"; readonly isMissing: boolean; readonly problem: PackProblem };

async function readText(directory: string, file: string): Promise<Text> {
  try {
    return { kind: "read", text: await readFile(join(directory, file), "utf8") };
  } catch (error) {
    const reason = `cannot be read: ${messageOf(error)}`;
    return {
      kind: "unread",
      isMissing: isMissing(error),
      problem: { directory, file, line: 1, field: null, reason },
    };
  }
}

async function yamlNames(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter(isDefinitionFile).toSorted();
  } catch (error) {
    if (isMissing(error)) return []; // A pack need not define every kind.
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT");
}

/** Finds refs defined by two files, since it is unclear which one is meant. */
export function repetitions(definitions: readonly Definition[]): readonly PackProblem[] {
  const seen = new Set<string>();
  return definitions.flatMap(({ kind, ref, problemAt }) => {
    const key = `${kind} ${ref}`;
    if (seen.has(key)) return [problemAt(["ref"], "is also defined by another file of this pack")];
    seen.add(key);
    return [];
  });
}

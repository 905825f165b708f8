/**
 * Reads the packs to load together and checks them as far as possible without a database, so that a mistake
 * is found before a database is opened or created.
 */
import { isJsonObject, objectOf } from "../model/json/json.ts";
import { lintRule } from "../model/rules/lint-rule.ts";
import type { Definition, Pack } from "./pack.ts";
import { packInvalid, warningKinds, type PackProblem, type PackWarning } from "./pack-problem.ts";
import { readPack } from "./read-pack.ts";

export interface ReadPacks {
  readonly packs: readonly Pack[];
  /** Most important first. */
  readonly warnings: readonly PackWarning[];
}

export interface CheckedPacks extends ReadPacks {
  readonly problems: readonly PackProblem[];
  /** The valid definitions of all packs, also of those that have problems in other files. */
  readonly definitions: readonly Definition[];
}

/**
 * @param purpose what they are read for
 * @throws OperatorError PACK_INVALID with every problem in every file
 */
export async function readPacks(
  directories: readonly string[],
  purpose: "load" | "test" | "read" = "load",
): Promise<ReadPacks> {
  const { packs, problems, warnings } = await checkPacks(directories);
  // References are checked only if all packs are valid; otherwise definitions in broken files would seem missing.
  if (problems.length > 0) throw packInvalid(problems, purpose);
  return { packs, warnings };
}

/** The valid packs, and all problems and warnings in all packs. */
export async function checkPacks(directories: readonly string[]): Promise<CheckedPacks> {
  const reports = await Promise.all(directories.map(readPack));
  const packs = reports.flatMap((report) => (report.kind === "accepted" ? [report.pack] : []));
  const problems = [
    ...reports.flatMap((report) => (report.kind === "rejected" ? report.problems : [])),
    ...samePacks(packs),
  ];
  const definitions = reports.flatMap((report) =>
    report.kind === "accepted" ? report.pack.definitions : report.definitions,
  );
  return {
    packs,
    problems,
    definitions,
    warnings: [...reports.flatMap((report) => report.warnings), ...doubtfulRules(definitions)].toSorted(
      (one, other) => warningKinds.indexOf(one.kind) - warningKinds.indexOf(other.kind),
    ),
  };
}

/** What is probably wrong with valid rules, also by the out_schema of triggers of the same packs. */
function doubtfulRules(definitions: readonly Definition[]): readonly PackWarning[] {
  const outSchemas = new Map(
    definitions.flatMap(({ kind, ref, row }) =>
      kind === "trigger" ? [[ref, row["out_schema"]] as const] : [],
    ),
  );
  return definitions.flatMap(({ kind, row, problemAt }) => {
    if (kind !== "rule") return [];
    const triggerRef = row["trigger_ref"];
    const outSchema = typeof triggerRef === "string" ? outSchemas.get(triggerRef) : undefined;
    const actionParams = row["action_params"];
    const found = lintRule(
      { conditions: row["conditions"] ?? null, actionParams: objectOf(actionParams) },
      isJsonObject(outSchema) ? outSchema : null,
    );
    return found.map(({ place, reason, suggestion }) => ({
      ...problemAt(place, reason),
      kind: "rule-doubtful" as const,
      suggestion,
    }));
  });
}

function samePacks(packs: readonly Pack[]): readonly PackProblem[] {
  return packs.flatMap(({ directory, ref }, index) => {
    const first = packs.findIndex((other) => other.ref === ref);
    const reason = `is also the ref of the pack in ${packs[first]?.directory ?? ""}`;
    return first === index ? [] : [{ directory, file: "pack.yaml", line: 1, field: "ref", reason }];
  });
}

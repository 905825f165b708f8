/**
 * Reads the packs to load together and checks them as far as possible without a database, so that a mistake
 * is found before a database is opened or created.
 */
import type { Pack } from "./pack.ts";
import { packInvalid, warningKinds, type PackProblem, type PackWarning } from "./pack-problem.ts";
import { readPack } from "./read-pack.ts";

export interface ReadPacks {
  readonly packs: readonly Pack[];
  /** Most important first. */
  readonly warnings: readonly PackWarning[];
}

export interface CheckedPacks extends ReadPacks {
  readonly problems: readonly PackProblem[];
}

/** @throws OperatorError PACK_INVALID with every problem in every file */
export async function readPacks(directories: readonly string[]): Promise<ReadPacks> {
  const { packs, problems, warnings } = await checkPacks(directories);
  // References are checked only if all packs are valid; otherwise definitions in broken files would seem missing.
  if (problems.length > 0) throw packInvalid(problems);
  return { packs, warnings };
}

/** The valid packs, and all problems in all packs. */
export async function checkPacks(directories: readonly string[]): Promise<CheckedPacks> {
  const reports = await Promise.all(directories.map(readPack));
  const packs = reports.flatMap((report) => (report.kind === "accepted" ? [report.pack] : []));
  const problems = [
    ...reports.flatMap((report) => (report.kind === "rejected" ? report.problems : [])),
    ...samePacks(packs),
  ];
  return {
    packs,
    problems,
    warnings: reports
      .flatMap((report) => (report.kind === "accepted" ? report.warnings : []))
      .toSorted((one, other) => warningKinds.indexOf(one.kind) - warningKinds.indexOf(other.kind)),
  };
}

function samePacks(packs: readonly Pack[]): readonly PackProblem[] {
  return packs.flatMap(({ directory, ref }, index) => {
    const first = packs.findIndex((other) => other.ref === ref);
    const reason = `is also the ref of the pack in ${packs[first]?.directory ?? ""}`;
    return first === index ? [] : [{ directory, file: "pack.yaml", line: 1, field: "ref", reason }];
  });
}

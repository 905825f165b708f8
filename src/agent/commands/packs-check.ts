import { checkPacks as check } from "../../packs/read-packs.ts";
import { unresolvedReferences } from "../../packs/references.ts";
import type { CheckFormat } from "../check-formats.ts";
import { checkReport } from "../check-report.ts";
import type { ExitCode, Invocation } from "../invocation.ts";

/**
 * Checks pack folders as `packs load` does, as far as the files alone allow. It needs no configuration and
 * no database, so it can run wherever packs are written.
 */
export async function checkPacks(
  { print }: Invocation,
  directories: readonly string[],
  format: CheckFormat,
): Promise<ExitCode> {
  const { packs, problems, warnings } = await check(directories);
  // The definitions in a broken file would be reported as missing.
  const definitions = packs.flatMap((pack) => pack.definitions);
  const unresolved = problems.length > 0 ? [] : unresolvedReferences(definitions, definitions);
  const checkedRefs = new Set(packs.map(({ ref }) => ref));
  const isOwn = (ref: string): boolean => checkedRefs.has(ref.split(".")[0] ?? "");
  const report = {
    packs: packs.map(({ ref }) => ref),
    problems: [
      ...problems,
      ...unresolved.filter(({ reference }) => isOwn(reference.ref)).map(({ problem }) => problem),
    ],
    warnings,
    needed: unresolved.flatMap(({ reference: { kind, ref } }) => (isOwn(ref) ? [] : [{ kind, ref }])),
  };
  print(checkReport(report, format));
  return report.problems.length === 0 ? 0 : 1;
}

/**
 * Finds packs that lie elsewhere than workers look for them. Loading stores definitions and copies no files, so the
 * scripts of their sensors would be missing, or be those of an older copy.
 */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { builtinRuntimeRef } from "../model/runtimes/runtime-names.ts";
import { counted } from "../model/texts/counted.ts";
import type { Pack } from "./pack.ts";
import type { PackWarning } from "./pack-problem.ts";

/** @param packsDirectory packs_base_dir */
export async function misplacedPacks(
  packs: readonly Pack[],
  packsDirectory: string,
): Promise<readonly PackWarning[]> {
  const warnings = await Promise.all(packs.map((pack) => misplacement(pack, packsDirectory)));
  return warnings.flat();
}

async function misplacement(
  { directory, ref, definitions }: Pack,
  packsDirectory: string,
): Promise<readonly PackWarning[]> {
  const scripts = definitions.filter(
    ({ kind, row }) => kind === "sensor" && row["runtime_ref"] !== builtinRuntimeRef,
  );
  if (scripts.length === 0) return [];
  const expected = join(packsDirectory, ref);
  const found = await realpath(expected).catch(() => undefined);
  if (found !== undefined && found === (await realpath(directory))) return [];
  const place = found === undefined ? `${expected}, which does not exist here` : expected;
  const reason =
    `is not where workers look for the ${counted(scripts.length, "script")} of its sensors: ${place}; ` +
    "copy or mount the pack there on every machine whose worker runs them, or set packs_base_dir";
  return [{ directory, file: null, line: 1, field: null, reason, kind: "pack-elsewhere" }];
}

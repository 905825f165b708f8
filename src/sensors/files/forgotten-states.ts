/** Deletes the states of rules that were deleted. Those of disabled rules are kept: such a rule goes on where it stopped. */
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../../errors/caught.ts";
import type { Id } from "../../model/identifiers.ts";

/**
 * @param isActive whether a rule is being watched for
 * @param existing which of these rules exist, enabled or not
 */
export async function removeForgottenStates(
  stateDir: string,
  isActive: (ruleId: Id) => boolean,
  existing: (ruleIds: readonly Id[]) => Promise<readonly Id[]>,
): Promise<void> {
  const names = await readdir(stateDir).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  });
  const idle = names.flatMap((name) => {
    const id = ruleOf(name);
    return id === undefined || isActive(id) ? [] : [id];
  });
  if (idle.length === 0) return;
  const kept = new Set(await existing(idle));
  for (const id of idle) if (!kept.has(id)) await unlink(join(stateDir, stateFileOf(id)));
}

export function stateFileOf(ruleId: Id): string {
  return `rule_${ruleId}.jsonl`;
}

function ruleOf(name: string): Id | undefined {
  return /^rule_(\d+)\.jsonl$/.exec(name)?.[1];
}

/** The enforcements of a stored event's matches, with ids of their own. */
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { reserveIds } from "../database/statements/id-sequences.ts";
import type { EnforcementToStore } from "../database/statements/rules.ts";
import { messageId } from "../model/identifiers.ts";
import type { RuleMatch } from "../model/rules/rule-match.ts";

export async function matchedEnforcements(
  database: Queryable,
  installationId: string,
  matches: readonly RuleMatch[],
): Promise<readonly EnforcementToStore[]> {
  if (matches.length === 0) return [];
  const sequence = "enforcement_id_seq";
  const reserved = await rowOf(database, reserveIds, { sequence, count: matches.length });
  return matches.map((match, index) => {
    const id = reserved?.ids[index] ?? "";
    return { ...match, id, messageId: messageId(installationId, "enforcement", id) };
  });
}

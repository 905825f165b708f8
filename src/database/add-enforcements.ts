/** Adds the enforcements of a stored event's matches, each with its message. */
import { messageId, type Id } from "../model/identifiers.ts";
import type { RuleMatch } from "../model/rules/rule-match.ts";
import type { Database, Queryable } from "./database.ts";
import { rowOf } from "./statement.ts";
import {
  storeEnforcements,
  takeTurnAtEvent,
  type EnforcementsToStore,
  type EnforcementToStore,
} from "./statements/added-enforcements.ts";
import { reserveIds } from "./statements/id-sequences.ts";

export interface MatchesToAdd extends Omit<EnforcementsToStore, "enforcements"> {
  readonly installationId: string;
  readonly matches: readonly RuleMatch[];
}

export interface AddedEnforcements {
  /** Those that were not there before. */
  readonly enforcements: readonly EnforcementToStore[];
  readonly storedAt: Date;
}

/** @returns undefined if the rules have changed since they matched; nothing is stored then */
export async function addEnforcements(
  database: Pick<Database, "query" | "transaction">,
  { installationId, matches, ...addition }: MatchesToAdd,
): Promise<AddedEnforcements | undefined> {
  const enforcements = await identifyMatches(database, installationId, matches);
  const stored = await database.transaction(async (transaction) => {
    await rowOf(transaction, takeTurnAtEvent, { eventId: addition.eventId });
    return await rowOf(transaction, storeEnforcements, { ...addition, enforcements });
  });
  if (stored?.isCurrent !== true) return undefined;
  const storedIds = new Set<Id>(stored.storedIds);
  return { enforcements: enforcements.filter(({ id }) => storedIds.has(id)), storedAt: stored.storedAt };
}

/** The enforcements of matches, with ids of their own. */
export async function identifyMatches(
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

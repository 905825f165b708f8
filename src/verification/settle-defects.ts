/** What becomes of an event that lacks an enforcement or its dedup key: it is reported, and repaired on request. */
import { rowOf, rowsOf } from "../database/statement.ts";
import { reserveIds } from "../database/statements/id-sequences.ts";
import { findEnforcements, storeEnforcements, takeTurnAtEvent } from "../database/statements/rules.ts";
import { rememberKey, type VerifiedEvent } from "../database/statements/verification.ts";
import { messageId } from "../model/identifiers.ts";
import type { RuleMatch } from "../model/rules/rule-match.ts";
import type { VerifyOptions } from "./verify-options.ts";

export async function settleMissing(
  options: VerifyOptions,
  { id }: VerifiedEvent,
  match: RuleMatch,
): Promise<void> {
  const { database, installationId, report, isRepairing } = options;
  const violation = {
    kind: "enforcement_missing",
    text: `event ${id} has no enforcement of rule ${match.ruleRef} (${match.ruleId})`,
  } as const;
  if (!isRepairing) {
    report.add(violation);
    return;
  }
  const reserved = await rowOf(database, reserveIds, { sequence: "enforcement_id_seq", count: 1 });
  const [own = ""] = reserved?.ids ?? [];
  const enforcement = { ...match, id: own, messageId: messageId(installationId, "enforcement", own) };
  await database.transaction(async (transaction) => {
    await rowOf(transaction, takeTurnAtEvent, { eventId: id });
    await rowOf(transaction, storeEnforcements, {
      eventId: id,
      enforcements: [enforcement],
      triggerRevisions: {},
      replayedFrom: null,
      publisherInstance: null,
    });
  });
  const found = await rowsOf(database, findEnforcements, { eventId: id, ruleIds: [match.ruleId] });
  report.add(violation, found.length > 0);
}

export async function settleKeyless(options: VerifyOptions, { id }: VerifiedEvent): Promise<void> {
  const { database, report, isRepairing } = options;
  if (isRepairing) await rowsOf(database, rememberKey, { eventId: id });
  report.add({ kind: "event_without_key", text: `event ${id}` }, isRepairing);
}

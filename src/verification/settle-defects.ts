/** What becomes of an event that lacks an enforcement or its dedup key: it is reported, and repaired on request. */
import { addEnforcements } from "../database/add-enforcements.ts";
import { rowsOf } from "../database/statement.ts";
import { findEnforcements } from "../database/statements/added-enforcements.ts";
import { rememberKey, type VerifiedEvent } from "../database/statements/verified-events.ts";
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
  await addEnforcements(database, {
    installationId,
    eventId: id,
    matches: [match],
    triggerRevisions: {},
    replayedFrom: null,
    publisherInstance: null,
  });
  const found = await rowsOf(database, findEnforcements, { eventId: id, ruleIds: [match.ruleId] });
  report.add(violation, found.length > 0);
}

export async function settleKeyless(options: VerifyOptions, { id }: VerifiedEvent): Promise<void> {
  const { database, report, isRepairing } = options;
  if (isRepairing) await rowsOf(database, rememberKey, { eventId: id });
  report.add({ kind: "event_without_key", text: `event ${id}` }, isRepairing);
}

/**
 * Proves that events have exactly the enforcements which the rules demand that they were matched with, and their dedup keys.
 */
import { WorkSlices } from "../concurrency/work-slices.ts";
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { listPartitions } from "../database/statements/partitions.ts";
import {
  readEnforcementsToVerify,
  readEventsToVerify,
  type VerifiedEnforcement,
  type VerifiedEvent,
} from "../database/statements/verified-events.ts";
import type { Id } from "../model/identifiers.ts";
import { aimAt } from "../model/rules/rule-aim.ts";
import type { RuleMatch, RuleSet } from "../model/rules/rule-match.ts";
import { TextBudgetError } from "../model/texts/text-budget.ts";
import { judgeEnforcements } from "../model/verification/violation.ts";
import { snapshot } from "./page-snapshot.ts";
import { RulesOfRevision } from "./rules-of-revision.ts";
import { settleKeyless, settleMissing } from "./settle-defects.ts";
import type { VerifyOptions } from "./verify-options.ts";

const pageRows = 1_000;
const pageBytesMax = 8 * 1024 * 1024;
const enforcementsMax = 50_000;
const dayMs = 86_400_000;
/** A key is claimed for the day of ten minutes from then, or ten minutes before. */
const keyMarginMs = 3_600_000;

interface Verifier {
  readonly options: VerifyOptions;
  /** What retention has left begins here; null: there are no events. */
  readonly firstEvent: Id | null;
  readonly rules: RulesOfRevision;
  readonly slices: WorkSlices;
  readonly keysSince: Date | null;
}

export async function verifierOf(options: VerifyOptions, firstEvent: Id | null): Promise<Verifier> {
  // Keys go by the day, and agents before them may have had none.
  const partitions = await rowsOf(options.database, listPartitions, { tables: ["event_key"] });
  const days = partitions.flatMap(({ first, isRetired }) => (first === null || isRetired ? [] : [first]));
  const oldest = days.length === 0 ? undefined : days.reduce((one, other) => (one < other ? one : other));
  return {
    options,
    firstEvent,
    rules: new RulesOfRevision(),
    slices: new WorkSlices(),
    keysSince: oldest === undefined ? null : new Date(Number(oldest) * dayMs + keyMarginMs),
  };
}

interface Missing {
  readonly event: VerifiedEvent;
  readonly match: RuleMatch;
}

/** @returns where the next page begins; undefined if this was the last */
export async function verifyEvents(
  verifier: Verifier,
  after: Id,
  countMax: number = pageRows,
): Promise<Id | undefined> {
  const { options, keysSince } = verifier;
  const { report } = options;
  const missing: Missing[] = [];
  const keyless: VerifiedEvent[] = [];
  const last = await snapshot(options, async (rows) => {
    const events = await rowsOf(rows, readEventsToVerify, {
      after,
      countMax,
      bytesMax: pageBytesMax,
      keysSince,
    });
    const until = events.at(-1)?.id;
    // Beyond the last event there are none, unless their events are missing.
    const enforcements = await rowsOf(rows, readEnforcementsToVerify, {
      after,
      until: until ?? null,
      countMax: enforcementsMax + 1,
    });
    if (enforcements.length > enforcementsMax && events.length > 1) return "too-many";
    const byEvent = Map.groupBy(enforcements, ({ eventId }) => eventId);
    report.checked.events += events.length;
    report.checked.enforcements += enforcements.length;
    for (const event of events) {
      missing.push(...(await verifyEvent(verifier, rows, event, byEvent.get(event.id) ?? [])));
      if (event.lacksKey) keyless.push(event);
      byEvent.delete(event.id);
    }
    for (const orphans of byEvent.values()) noteOrphans(orphans, verifier);
    return until;
  });
  if (last === "too-many") return verifyEvents(verifier, after, Math.ceil(countMax / 8));
  for (const { event, match } of missing) await settleMissing(options, event, match);
  for (const event of keyless) await settleKeyless(options, event);
  return last;
}

async function verifyEvent(
  { options, rules, slices }: Verifier,
  rows: Queryable,
  event: VerifiedEvent,
  enforcements: readonly VerifiedEnforcement[],
): Promise<readonly Missing[]> {
  const { report } = options;
  const { id, triggerRef, matchedRevision } = event;
  if (event.isRevisionAhead) {
    report.add({
      kind: "revision_ahead",
      text: `event ${id} was matched at revision ${matchedRevision}, which is still to come`,
    });
  }
  for (const enforcement of enforcements) noteEnforcement(event, enforcement, options);
  const isProvable = matchedRevision !== null && !event.isRevisionAhead;
  if (!isProvable) report.unprovable += 1;
  const matches = isProvable
    ? matchesOf(
        event,
        rules.known(triggerRef, matchedRevision) ?? (await rules.at(rows, triggerRef, matchedRevision)),
      )
    : undefined;
  const pause = slices.spend(2_048);
  if (pause !== undefined) await pause;
  const { missing, unexpected, doubled } = judgeEnforcements(
    matches?.map(({ ruleId }) => ruleId),
    enforcements,
  );
  for (const each of doubled)
    report.add({
      kind: "enforcement_doubled",
      text: `enforcement ${each.id} of event ${id} and rule ${each.ruleRef} (${each.ruleId})`,
    });
  for (const each of unexpected) {
    const text = `enforcement ${each.id}: event ${id} does not match ${each.ruleRef} (${each.ruleId}) as it was then; \`events explain ${id}\` says why`;
    report.add({ kind: "enforcement_unexpected", text });
  }
  return (matches ?? []).filter(({ ruleId }) => missing.includes(ruleId)).map((match) => ({ event, match }));
}

/** Undefined: its parameters become too long, and such an event is not stored. */
function matchesOf(event: VerifiedEvent, rules: Pick<RuleSet, "match">): readonly RuleMatch[] | undefined {
  const { id, triggerRef, payload, sourceRef, occurredAt, ruleRef } = event;
  try {
    return rules.match({
      id,
      triggerRef,
      payload,
      sourceRef,
      occurredAt: occurredAt?.toISOString() ?? null,
      // An event for a single rule is stored with that rule's ref.
      triggerInstanceId: ruleRef === null ? null : aimAt(ruleRef),
    });
  } catch (error) {
    if (error instanceof TextBudgetError) return undefined;
    throw error;
  }
}

function noteEnforcement(
  event: VerifiedEvent,
  { id, triggerRef, hasPayload }: VerifiedEnforcement,
  { report }: VerifyOptions,
): void {
  if (triggerRef !== event.triggerRef) {
    const text = `enforcement ${id} names ${triggerRef}, its event ${event.id} ${event.triggerRef}`;
    report.add({ kind: "enforcement_of_other_trigger", text });
  }
  if (!hasPayload && !event.hasPayload)
    report.add({ kind: "payload_missing", text: `enforcement ${id} of event ${event.id}` });
}

function noteOrphans(enforcements: readonly VerifiedEnforcement[], { options, firstEvent }: Verifier): void {
  for (const { id, eventId } of enforcements) {
    // Retention may drop events before their enforcements.
    if (firstEvent !== null && BigInt(eventId) < BigInt(firstEvent)) continue;
    options.report.add({ kind: "enforcement_without_event", text: `enforcement ${id} of event ${eventId}` });
  }
}

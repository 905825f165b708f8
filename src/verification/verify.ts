/**
 * Proves that stored rows agree with each other: that each event has exactly the enforcements which the rules demand that it was
 * matched with, and that messages, checkpoints, dedup keys and sequences fit what is stored.
 *
 * It reads page by page. Each page is one snapshot, in which rows that were committed together are seen together, so it
 * may run beside agents that store. Pages are bounded in rows and in bytes of payloads.
 */
import type { Database, Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { moveSequenceOn, reserveIds } from "../database/statements/id-sequences.ts";
import { forgetMessages } from "../database/statements/outbox.ts";
import { listPartitions } from "../database/statements/partitions.ts";
import { findEnforcements, storeEnforcements, takeTurnAtEvent } from "../database/statements/rules.ts";
import {
  readBounds,
  readCheckpoints,
  readEnforcementsToVerify,
  readEventsToVerify,
  readIdsBeyondSequences,
  readKeysToVerify,
  readMessagesToVerify,
  rememberKey,
  type KeyPosition,
  type VerifiedEnforcement,
  type VerifiedEvent,
  type VerifiedMessage,
} from "../database/statements/verification.ts";
import { WorkSlices } from "../concurrency/work-slices.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import { aimAt } from "../model/rules/rule-aim.ts";
import type { RuleMatch, RuleSet } from "../model/rules/rule-match.ts";
import { TextBudgetError } from "../model/texts/text-budget.ts";
import { judgeEnforcements } from "../model/verification/violation.ts";
import { RulesOfRevision } from "./rules-of-revision.ts";
import type { VerificationReport } from "./verification-report.ts";

export interface VerifyOptions {
  readonly database: Database;
  readonly installationId: string;
  readonly report: VerificationReport;
  /** Also repairs what can be repaired without a guess. */
  readonly isRepairing: boolean;
  readonly signal: AbortSignal;
}

const pageRows = 1_000;
const pageBytesMax = 8 * 1024 * 1024;
const enforcementsMax = 50_000;
const smallPageRows = 2_000;
const dayMs = 86_400_000;
/** A key is claimed for the day of ten minutes from then, or ten minutes before. */
const keyMarginMs = 3_600_000;
/** A statement reads one page, on a busy server, too. */
const statementMs = 60_000;

/**
 * Yields after each page of events.
 *
 * @param since events from then on, and the keys of that time; null: all
 */
export async function* verify(options: VerifyOptions, since: Date | null): AsyncGenerator<void, void, void> {
  const bounds = await snapshot(options, (rows) => rowOf(rows, readBounds, { since }));
  const { startEvent = null, firstEvent = null } = bounds ?? {};
  if (startEvent !== null) {
    let after: Id | undefined = before(startEvent);
    const verifier = await verifierOf(options, firstEvent);
    while (after !== undefined && !options.signal.aborted) {
      after = await verifyEvents(verifier, after);
      yield;
    }
  }
  await verifyMessages(options, Number.POSITIVE_INFINITY);
  await verifyKeys(options, since, firstEvent);
  await verifyCheckpoints(options);
  await verifySequences(options);
}

/** Some events from the id on, and everything that does not grow with the number of events. */
export async function verifySample(
  options: VerifyOptions,
  { first, from }: { readonly first: bigint; readonly from: bigint },
): Promise<void> {
  await verifyEvents(await verifierOf(options, String(first)), before(String(from)));
  await verifyMessages(options, 1);
  await verifyCheckpoints(options);
  await verifySequences(options);
}

export interface EventRange {
  readonly first: bigint;
  readonly last: bigint;
  /** What retention has left begins here. */
  readonly firstKept: bigint;
}

/** Undefined: there are no events. */
export async function readEventRange(database: Database): Promise<EventRange | undefined> {
  const bounds = await rowOf(database, readBounds, { since: null });
  const { startEvent = null, lastEvent = null, firstEvent = null } = bounds ?? {};
  if (startEvent === null || lastEvent === null) return undefined;
  return {
    first: BigInt(startEvent),
    last: BigInt(lastEvent),
    firstKept: BigInt(firstEvent ?? startEvent),
  };
}

interface Verifier {
  readonly options: VerifyOptions;
  /** What retention has left begins here; null: there are no events. */
  readonly firstEvent: Id | null;
  readonly rules: RulesOfRevision;
  readonly slices: WorkSlices;
  readonly keysSince: Date | null;
}

async function verifierOf(options: VerifyOptions, firstEvent: Id | null): Promise<Verifier> {
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
async function verifyEvents(
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
      text: `enforcement ${each.id}: event ${id}, rule ${each.ruleId}`,
    });
  for (const each of unexpected) {
    const text = `enforcement ${each.id}: event ${id} does not match rule ${each.ruleId} of revision ${matchedRevision}`;
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
    options.report.add({ kind: "enforcement_without_event", text: `enforcement ${id}: event ${eventId}` });
  }
}

async function settleMissing(options: VerifyOptions, { id }: VerifiedEvent, match: RuleMatch): Promise<void> {
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

async function settleKeyless(options: VerifyOptions, { id }: VerifiedEvent): Promise<void> {
  const { database, report, isRepairing } = options;
  if (isRepairing) await rowsOf(database, rememberKey, { eventId: id });
  report.add({ kind: "event_without_key", text: `event ${id}` }, isRepairing);
}

const lowestMessageId = "00000000-0000-0000-0000-000000000000";

async function verifyMessages(options: VerifyOptions, pagesMax: number): Promise<void> {
  const { database, report, isRepairing, signal } = options;
  let after = lowestMessageId;
  for (let page = 0; page < pagesMax && !signal.aborted; page += 1) {
    const messages = await snapshot(options, (rows) =>
      rowsOf(rows, readMessagesToVerify, { after, countMax: smallPageRows }),
    );
    report.checked.messages += messages.length;
    for (const message of messages) {
      if (!message.isRowThere) {
        if (isRepairing) await rowsOf(database, forgetMessages, { messageIds: [message.messageId] });
        report.add({ kind: "message_without_row", text: messageText(message) }, isRepairing);
      } else if (!message.hasBody && !isOfItsRow(message, options.installationId)) {
        report.add({ kind: "message_wrong", text: messageText(message) });
      }
    }
    const last = messages.at(-1);
    if (last === undefined || messages.length < smallPageRows) return;
    after = last.messageId;
  }
}

function isOfItsRow(message: VerifiedMessage, installationId: string): boolean {
  const { eventId, enforcementId, routingKey } = message;
  if (eventId !== null) {
    const isOwn = message.messageId === messageId(installationId, "event", eventId);
    return isOwn && enforcementId === null && routingKey === "event.created";
  }
  return (
    enforcementId !== null &&
    message.messageId === messageId(installationId, "enforcement", enforcementId) &&
    routingKey === "enforcement.created"
  );
}

function messageText({ messageId: own, routingKey, eventId, enforcementId }: VerifiedMessage): string {
  const about = eventId !== null ? `event ${eventId}` : `enforcement ${enforcementId ?? "null"}`;
  return `message ${own} (${routingKey}) about ${about}`;
}

async function verifyKeys(options: VerifyOptions, since: Date | null, firstEvent: Id | null): Promise<void> {
  const { report, signal } = options;
  let after: KeyPosition | undefined = { triggerRef: "", sourceRef: "", dedupKey: "", period: "0" };
  while (after !== undefined && !signal.aborted) {
    const position: KeyPosition = after;
    const keys = await snapshot(options, (rows) =>
      rowsOf(rows, readKeysToVerify, {
        after: position,
        since,
        firstEvent: firstEvent ?? "0",
        countMax: smallPageRows,
      }),
    );
    report.checked.keys += keys.length;
    for (const { triggerRef, dedupKey, eventId, isEventMissing, isOtherEvent } of keys) {
      const text = `key ${JSON.stringify(dedupKey)} of ${triggerRef}: event ${eventId}`;
      if (isEventMissing) report.add({ kind: "key_without_event", text });
      if (isOtherEvent) report.add({ kind: "key_of_other_event", text });
    }
    after = keys.length < smallPageRows ? undefined : keys.at(-1);
  }
}

async function verifyCheckpoints(options: VerifyOptions): Promise<void> {
  const { report } = options;
  const found = await snapshot(options, (rows) => rowsOf(rows, readCheckpoints, undefined));
  for (const { count, bad } of found) {
    report.checked.checkpoints += count;
    for (const { sensorRef, eventId, isAhead } of bad) {
      const kind = isAhead ? "checkpoint_ahead" : "checkpoint_of_other_sensor";
      report.add({ kind, text: `checkpoint of ${sensorRef} at event ${eventId}` });
    }
  }
}

async function verifySequences(options: VerifyOptions): Promise<void> {
  const { database, report, isRepairing } = options;
  const found = await snapshot(options, (rows) => rowsOf(rows, readIdsBeyondSequences, undefined));
  for (const { table, highest } of found) {
    if (isRepairing) await rowOf(database, moveSequenceOn, { sequence: `${table}_id_seq`, beyond: highest });
    report.add({ kind: "id_beyond_sequence", text: `${table} ${highest}` }, isRepairing);
  }
}

/** Reads in one snapshot. */
async function snapshot<T>({ database }: VerifyOptions, work: (rows: Queryable) => Promise<T>): Promise<T> {
  return database.transaction(async (rows) => {
    await rows.query({
      text: `set transaction isolation level repeatable read, read only;
             set local statement_timeout = ${statementMs}`,
      timeoutMs: statementMs,
    });
    return work(rows);
  });
}

function before(id: Id): Id {
  return String(BigInt(id) - 1n);
}

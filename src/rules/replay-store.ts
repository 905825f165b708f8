/** Stores what a replay is to store of one event, in one transaction, and hands over the messages. */
import { addEnforcements, identifyMatches } from "../database/add-enforcements.ts";
import type { Database, Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { storeEnforcements, type EnforcementToStore } from "../database/statements/added-enforcements.ts";
import { reserveIds } from "../database/statements/id-sequences.ts";
import { copyEvent, type LoggedEvent } from "../database/statements/replays.ts";
import type { OutgoingMessage } from "../messaging/message-transport.ts";
import type { MessageFormat } from "../messaging/messages/cloud-event-message.ts";
import { enforcementCreated, eventCreated } from "../messaging/messages/message-types.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import type { ReplayRequest, ReplayStep } from "../model/rules/replay-request.ts";
import type { RuleMatch, RuleSet } from "../model/rules/rule-match.ts";
import type { Clock } from "../time/clock.ts";
import { replayMatches } from "./replay-matches.ts";

/** Publishes messages of what was committed; satisfied by events/delivery/publisher.ts. */
export interface ReplayOutlet {
  /** Under which the messages are stored. */
  readonly instance: string;
  /** How it wants the messages; without it, as envelopes. */
  readonly format?: MessageFormat;
  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void;
}

export interface ReplayStoreOptions {
  readonly database: Pick<Database, "query" | "transaction">;
  readonly installationId: string;
  readonly outlet: ReplayOutlet;
  readonly clock: Clock;
}

export class ReplayStore {
  readonly #options: ReplayStoreOptions;

  constructor(options: ReplayStoreOptions) {
    this.#options = options;
  }

  /**
   * Adds the enforcements to the event.
   *
   * @returns undefined if the rules have changed since they matched
   */
  async storeMissing(
    event: LoggedEvent,
    set: RuleSet,
    matches: readonly RuleMatch[],
  ): Promise<ReplayStep | undefined> {
    const { database, installationId, outlet } = this.#options;
    const { id: eventId, triggerRef } = event;
    const added = await addEnforcements(database, {
      installationId,
      eventId,
      matches,
      triggerRevisions: { [triggerRef]: set.revisionOf(triggerRef) },
      replayedFrom: eventId,
      publisherInstance: outlet.instance,
    });
    if (added === undefined) return undefined;
    const { enforcements, storedAt } = added;
    if (enforcements.length === 0) return { eventId, kind: "complete" };
    const payloadJson = JSON.stringify(event.payload);
    this.#send(enforcements.map((each) => this.#message(event, each, eventId, payloadJson, storedAt)));
    return { eventId, kind: "stored", copyId: null, enforcements };
  }

  /**
   * Stores the event anew, with all its enforcements.
   *
   * @returns undefined if the rules have changed since they matched
   */
  async storeCopy(
    event: LoggedEvent,
    set: RuleSet,
    matches: readonly RuleMatch[],
    { rule }: ReplayRequest,
  ): Promise<ReplayStep | undefined> {
    const { database, installationId, outlet } = this.#options;
    const { id: eventId, triggerRef } = event;
    const copyId = await reserveId(database);
    const triggerRevisions = { [triggerRef]: set.revisionOf(triggerRef) };
    const [match] = matches;
    const copy = {
      originalId: eventId,
      id: copyId,
      messageId: messageId(installationId, "event", copyId),
      // A copy for one rule is aimed at it, so that the copy has exactly the enforcements that its rules demand.
      rule: rule === null || match === undefined ? null : { id: match.ruleId, ref: match.ruleRef },
      triggerRevisions,
      publisherInstance: outlet.instance,
    };
    // Templates can name the event's id, which is the copy's.
    const rendered = replayMatches({ ...event, id: copyId }, set, { rule });
    if (typeof rendered === "string") return { eventId, kind: "skipped", reason: rendered };
    const enforcements = await identifyMatches(database, installationId, rendered);
    const outcome = await database.transaction(async (transaction) => {
      const copied = await rowOf(transaction, copyEvent, copy);
      if (copied?.kind !== "copied") return copied;
      await rowOf(transaction, storeEnforcements, {
        eventId: copyId,
        enforcements,
        triggerRevisions,
        replayedFrom: eventId,
        publisherInstance: outlet.instance,
      });
      return copied;
    });
    if (outcome?.kind === "gone") return { eventId, kind: "skipped", reason: "it has been deleted" };
    if (outcome?.kind !== "copied") return undefined;
    const { storedAt, ...stored } = outcome.event;
    const timestampMs = storedAt.getTime();
    const { trace } = event;
    const about = { installationId, eventId: copyId, triggerRef, timestampMs, trace, replayedFrom: eventId };
    const copied = { ...event, id: copyId };
    this.#send([
      eventCreated({ ...stored, ...about }, outlet.format),
      ...enforcements.map((each) => this.#message(copied, each, eventId, stored.payloadJson, storedAt)),
    ]);
    return { eventId, kind: "stored", copyId, enforcements };
  }

  #message(
    { id: eventId, triggerRef, trace }: LoggedEvent,
    { id, ruleId, ruleRef, actionId, actionRef, config }: EnforcementToStore,
    replayedFrom: Id,
    payloadJson: string,
    storedAt: Date,
  ): OutgoingMessage {
    return enforcementCreated(
      {
        installationId: this.#options.installationId,
        enforcementId: id,
        ruleId,
        ruleRef,
        actionId,
        actionRef,
        configJson: JSON.stringify(config),
        eventId,
        triggerRef,
        payloadJson,
        timestampMs: storedAt.getTime(),
        trace,
        replayedFrom,
      },
      this.#options.outlet.format,
    );
  }

  #send(messages: readonly OutgoingMessage[]): void {
    const { outlet, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    outlet.send(
      messages,
      messages.map(() => nowMs),
    );
  }
}

async function reserveId(database: Queryable): Promise<Id> {
  const reserved = await rowOf(database, reserveIds, { sequence: "event_id_seq", count: 1 });
  return reserved?.ids[0] ?? "";
}

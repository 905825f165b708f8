/**
 * What one statement stores, and the messages it owes.
 *
 * Preparing is pure, so it can be repeated under newer rules, with fewer entries, or after a lost answer: an entry's ids
 * stay.
 */
import type { BatchToStore } from "../database/statements/batch-to-store.ts";
import { noneJson } from "../database/statements/batches.ts";
import type { MessageFormat } from "../messaging/messages/cloud-event-message.ts";
import { enforcementCreated, eventCreated } from "../messaging/messages/message-types.ts";
import type { OutgoingMessage } from "../messaging/message-transport.ts";
import type { TriggerDefinition } from "../model/definitions.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import type { RuleMatch } from "../model/rules/rule-match.ts";
import { checkpointsText, termsOf } from "./batch-texts.ts";
import { idOf, type Entry, type EventEntry } from "./entries.ts";
import { eventColumns } from "./event-columns.ts";
import type { Piece } from "./matched-piece.ts";

export interface Enforcement {
  readonly id: Id;
  readonly messageId: string;
  readonly match: RuleMatch;
  /** The rendered parameters of the match, as JSON text. */
  readonly configJson: string;
}

export interface PreparedEvent {
  readonly entry: EventEntry;
  readonly messageId: string;
  readonly trigger: TriggerDefinition;
  readonly configJson: string;
  readonly enforcements: readonly Enforcement[];
}

export interface PreparedBatch {
  readonly toStore: Omit<BatchToStore, "publisherInstance">;
  /** In order: events and moves. */
  readonly entries: readonly Entry[];
  readonly events: readonly PreparedEvent[];
  /** Characters of all messages that it owes. */
  readonly messageCharacters: number;
}

/** @throws RangeError of JavaScript for more than a text can hold, which the bounds of a piece exclude */
export function prepareBatch(piece: Piece, installationId: string): PreparedBatch {
  const { entries, sources, triggerRevisions, messageCharacters } = piece;
  // Appended to, not joined: so the parts are copied into one text only when the statement is sent.
  let matchesText = "";
  const events = piece.matched.map(({ entry, trigger, source, matches }): PreparedEvent => {
    const eventId = idOf(entry);
    const eventMessageId = messageId(installationId, "event", eventId);
    const enforcements = matches.map((matched): Enforcement => {
      const id = entry.enforcementIds?.get(matched.match.ruleId) ?? "";
      const ownId = messageId(installationId, "enforcement", id);
      matchesText += `${matchesText === "" ? "[" : ","}{"i":${id},"m":"${ownId}","e":${eventId},${matched.text}}`;
      return { id, messageId: ownId, match: matched.match, configJson: matched.configJson };
    });
    return { entry, messageId: eventMessageId, trigger, configJson: source.configJson, enforcements };
  });
  const terms = termsOf(entries);
  const toStore = {
    events: eventColumns(
      piece.matched,
      events.map((event) => event.messageId),
    ),
    sources: sources.text(),
    matches: matchesText === "" ? noneJson : `${matchesText}]`,
    checkpoints: checkpointsText(entries),
    terms,
    triggerRevisions: JSON.stringify(Object.fromEntries(triggerRevisions)),
    soleSource: sources.sole(terms, triggerRevisions),
  };
  return { toStore, entries, events, messageCharacters };
}

/** The messages that a stored event owes, the event's own first. */
export function messagesOf(
  { entry, messageId: eventMessageId, trigger, configJson, enforcements }: PreparedEvent,
  storedAt: Date,
  installationId: string,
  format?: MessageFormat,
): readonly OutgoingMessage[] {
  const timestampMs = storedAt.getTime();
  const { event, payloadJson } = entry;
  const eventId = idOf(entry);
  const own = eventCreated(
    {
      installationId,
      messageId: eventMessageId,
      eventId,
      triggerId: trigger.id,
      triggerRef: trigger.ref,
      sensorId: event.source?.sensorId ?? null,
      sensorRef: event.source?.sensorRef ?? null,
      payloadJson,
      configJson,
      timestampMs,
      trace: event.trace,
    },
    format,
  );
  if (enforcements.length === 0) return [own];
  const others = enforcements.map(({ id, messageId: ownId, match, configJson: parameters }) =>
    enforcementCreated(
      {
        installationId,
        messageId: ownId,
        eventMessageId,
        enforcementId: id,
        ruleId: match.ruleId,
        ruleRef: match.ruleRef,
        actionId: match.actionId,
        actionRef: match.actionRef,
        configJson: parameters,
        eventId,
        triggerRef: trigger.ref,
        payloadJson,
        timestampMs,
        trace: event.trace,
      },
      format,
    ),
  );
  return [own, ...others];
}

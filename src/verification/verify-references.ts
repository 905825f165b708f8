/** Proves that what refers to stored rows fits them: messages, dedup keys, checkpoints and the sequences of ids. */
import { rowOf, rowsOf } from "../database/statement.ts";
import { moveSequenceOn } from "../database/statements/id-sequences.ts";
import { forgetMessages } from "../database/statements/outbox.ts";
import {
  readCheckpoints,
  readIdsBeyondSequences,
  readKeysToVerify,
  readMessagesToVerify,
  type KeyPosition,
  type VerifiedKey,
  type VerifiedMessage,
} from "../database/statements/verified-references.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import { snapshot } from "./page-snapshot.ts";
import type { VerifyOptions } from "./verify-options.ts";

const pageRows = 2_000;
const lowestMessageId = "00000000-0000-0000-0000-000000000000";

export async function verifyMessages(options: VerifyOptions, pagesMax: number): Promise<void> {
  const { database, report, isRepairing, signal } = options;
  let after = lowestMessageId;
  for (let page = 0; page < pagesMax && !signal.aborted; page += 1) {
    const messages = await snapshot(options, (rows) =>
      rowsOf(rows, readMessagesToVerify, { after, countMax: pageRows }),
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
    if (last === undefined || messages.length < pageRows) return;
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

export async function verifyKeys(
  options: VerifyOptions,
  since: Date | null,
  firstEvent: Id | null,
): Promise<void> {
  const { report, signal } = options;
  let previous: VerifiedKey | undefined;
  let after: KeyPosition | undefined = { triggerRef: "", sourceRef: "", dedupKey: "", period: "0" };
  while (after !== undefined && !signal.aborted) {
    const position: KeyPosition = after;
    const keys = await snapshot(options, (rows) =>
      rowsOf(rows, readKeysToVerify, {
        after: position,
        since,
        firstEvent: firstEvent ?? "0",
        countMax: pageRows,
      }),
    );
    for (const key of keys) {
      // Around midnight a key has a row for either day.
      const isKnown = previous !== undefined && isSameKey(key, previous);
      previous = key;
      if (isKnown) continue;
      report.checked.keys += 1;
      const { triggerRef, dedupKey, eventId, isEventMissing, isOtherEvent } = key;
      const text = `key ${JSON.stringify(dedupKey)} of ${triggerRef}: event ${eventId}`;
      if (isEventMissing) report.add({ kind: "key_without_event", text });
      if (isOtherEvent) report.add({ kind: "key_of_other_event", text });
    }
    after = keys.length < pageRows ? undefined : keys.at(-1);
  }
}

function isSameKey(one: VerifiedKey, other: VerifiedKey): boolean {
  return (
    one.dedupKey === other.dedupKey &&
    one.eventId === other.eventId &&
    one.triggerRef === other.triggerRef &&
    one.sourceRef === other.sourceRef
  );
}

export async function verifyCheckpoints(options: VerifyOptions): Promise<void> {
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

export async function verifySequences(options: VerifyOptions): Promise<void> {
  const { database, report, isRepairing } = options;
  const found = await snapshot(options, (rows) => rowsOf(rows, readIdsBeyondSequences, undefined));
  for (const { table, highest } of found) {
    if (isRepairing) await rowOf(database, moveSequenceOn, { sequence: `${table}_id_seq`, beyond: highest });
    report.add({ kind: "id_beyond_sequence", text: `${table} ${highest}` }, isRepairing);
  }
}

/** The message that a row of the outbox owes: made, and sent. */
import type { OwedMessage } from "../../database/statements/owed-messages.ts";
import { messageOf } from "../../errors/caught.ts";
import type { MessageFormat } from "../../messaging/messages/cloud-event-message.ts";
import { enforcementCreated, eventCreated } from "../../messaging/messages/message-types.ts";
import { ruleChanged } from "../../messaging/messages/rule-message.ts";
import type { OutgoingMessage } from "../../messaging/message-transport.ts";
import type { Outcome, Publisher } from "./publisher.ts";

/** Sends what a row owes. A row that owes nothing is deleted, and one that cannot be read is set aside. */
export function sendOwedMessage(
  publisher: Publisher,
  installationId: string,
  owed: OwedMessage,
): Promise<Outcome | "nothing" | "unreadable"> {
  const { messageId } = owed;
  const made = makeOwedMessage(owed, installationId, publisher.format);
  if (made.kind === "message") return publisher.sendBack(messageId, made.message);
  publisher.rows.settle(messageId, made.kind === "nothing" ? undefined : { messageId, reason: made.reason });
  return Promise.resolve(made.kind);
}

type MadeMessage =
  | { readonly kind: "message"; readonly message: OutgoingMessage }
  /** What it was about is gone. */
  | { readonly kind: "nothing" }
  | { readonly kind: "unreadable"; readonly reason: string };

function makeOwedMessage(owed: OwedMessage, installationId: string, format: MessageFormat): MadeMessage {
  switch (owed.about) {
    case "event":
      return {
        kind: "message",
        message: eventCreated({ ...owed, installationId, timestampMs: owed.created.getTime() }, format),
      };
    case "enforcement":
      return {
        kind: "message",
        message: enforcementCreated({ ...owed, installationId, timestampMs: owed.created.getTime() }, format),
      };
    case "rule":
      try {
        return { kind: "message", message: ruleChanged(installationId, owed.messageId, owed.body) };
      } catch (error) {
        return { kind: "unreadable", reason: reasonOf(error) };
      }
    case "nothing":
      return { kind: "nothing" };
    case "unreadable":
      return { kind: "unreadable", reason: reasonOf(owed.error) };
  }
}

function reasonOf(error: unknown): string {
  return `its row cannot be read: ${messageOf(error)}`;
}

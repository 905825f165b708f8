/**
 * The messages on a WebSocket, both ways, with the names that existing sensors expect (docs/rule-notifications.md).
 *
 * A notification is serialized once, and the bytes are sent to all followers of its trigger.
 */
import type { RuleNews } from "../../database/statements/rule-messages.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { idAnswer, instantAnswer } from "../answers.ts";

export type ClientMessage =
  | { readonly kind: "subscribe"; readonly triggerRef: string }
  | { readonly kind: "unsubscribe"; readonly triggerRef: string }
  | { readonly kind: "ping" }
  | { readonly kind: "unusable"; readonly problem: string };

export function readClientMessage(text: string): ClientMessage {
  const message = jsonOf(text);
  if (!isJsonObject(message)) return { kind: "unusable", problem: "a message is a JSON object" };
  const { type, filter } = message;
  if (type === "ping") return { kind: "ping" };
  if (type !== "subscribe" && type !== "unsubscribe") {
    return { kind: "unusable", problem: "the type of a message is subscribe, unsubscribe or ping" };
  }
  if (typeof filter !== "string")
    return { kind: "unusable", problem: `a message of type ${type} has a filter` };
  const triggerRef = /^trigger_ref:(.+)$/s.exec(filter)?.[1];
  if (triggerRef === undefined)
    return { kind: "unusable", problem: "a filter has the form trigger_ref:<ref>" };
  return { kind: type, triggerRef };
}

function jsonOf(text: string): JsonValue | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

export const pongFrame = frameOf({ type: "pong" });

/** Existing sensors carry on after exactly these words, and connect anew after any others. */
export const unauthorizedFrame = errorFrame("Unauthorized to subscribe to requested filter");

export function errorFrame(message: string): Buffer {
  return frameOf({ type: "error", message });
}

export function welcomeFrame(clientId: string, message: string): Buffer {
  return frameOf({ type: "welcome", client_id: clientId, message });
}

export function notificationFrame(news: RuleNews): Buffer {
  const { routingKey, ruleId, ruleRef, triggerRef, paramsJson, isActive, created } = news;
  const id = JSON.stringify(idAnswer(ruleId));
  const timestamp = JSON.stringify(instantAnswer(created));
  const payload =
    `{"event_type":${JSON.stringify(routingKey)},"rule_id":${id},"rule_ref":${JSON.stringify(ruleRef)}` +
    `,"trigger_ref":${JSON.stringify(triggerRef)},"trigger_params":${paramsJson},"active":${isActive}` +
    `,"timestamp":${timestamp}}`;
  return Buffer.from(
    `{"type":"notification","notification_type":"rule_lifecycle_changed","entity_type":"rule_lifecycle"` +
      `,"entity_id":${id},"payload":${payload},"timestamp":${timestamp}}`,
  );
}

function frameOf(content: object): Buffer {
  return Buffer.from(JSON.stringify(content));
}

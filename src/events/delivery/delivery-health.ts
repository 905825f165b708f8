/** How messages get out, as one part of the health: the broker's own, what it does with messages, what is owed. */
import type { BrokerHealth } from "../../messaging/message-transport.ts";
import { counted } from "../../model/texts/counted.ts";
import type { PartHealth } from "../../telemetry/part-health.ts";
import type { OwedCount } from "./owed-messages.ts";
import type { RefusedKey } from "./refused-messages.ts";

export interface DeliveryFacts {
  readonly broker: BrokerHealth;
  readonly refused: ReadonlyMap<string, RefusedKey>;
  /** Routing keys under which nobody receives messages. */
  readonly unroutable: readonly string[];
  /** Undefined while it is not known. */
  readonly owed: OwedCount | undefined;
  readonly nowMs: number;
}

/** Counted at most every 5 s; when the database does not answer, the age of the number matters. */
const oldAfterMs = 15_000;

/** Whether it is trouble that no queue is bound for a routing key. That nobody listens for changes of rules is common. */
export function needsQueue(routingKey: string): boolean {
  return !routingKey.startsWith("rule.");
}

/** Degraded while messages are refused, or received by nobody although they should be. */
export function deliveryHealth({ broker, refused, unroutable, owed, nowMs }: DeliveryFacts): PartHealth {
  const { state, checkedAtMs } = broker;
  const owing = owed === undefined ? [] : [owedText(owed, nowMs)];
  if (state !== "up") return { state, detail: [broker.detail, ...owing].join("; "), checkedAtMs };
  const problems = Array.from(
    refused,
    ([key, { count, reason }]) =>
      `${counted(count, "message")} under ${key} ${count === 1 ? "is" : "are"} refused: ${reason}`,
  );
  if (unroutable.length > 0) problems.push(`no queue is bound for ${unroutable.join(", ")}`);
  const isDegraded = refused.size > 0 || unroutable.some(needsQueue);
  const detail = [broker.detail, ...problems, ...owing].join("; ");
  return { state: isDegraded ? "degraded" : "up", detail, checkedAtMs };
}

function owedText({ messages, countedAtMs }: OwedCount, nowMs: number): string {
  const ageMs = nowMs - countedAtMs;
  const age = ageMs < oldAfterMs ? "" : ` (counted ${Math.round(ageMs / 1_000)} s ago)`;
  return `messages owed: ${messages}${age}`;
}

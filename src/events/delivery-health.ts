/** How messages get out, as one part of the health: the broker's own, and what it does with messages. */
import type { BrokerHealth } from "../messaging/message-transport.ts";
import type { PartHealth } from "../telemetry/part-health.ts";
import type { RefusedKey } from "./refused-messages.ts";

/**
 * Degraded while messages that act are refused or received by nobody. That nobody listens for changes of rules is
 * common, and only said.
 */
export function deliveryHealth(
  broker: BrokerHealth,
  refused: ReadonlyMap<string, RefusedKey>,
  unroutable: readonly string[],
): PartHealth {
  const { state, checkedAtMs } = broker;
  if (state !== "up") return { state, detail: broker.detail, checkedAtMs };
  const problems = Array.from(
    refused,
    ([key, { count, reason }]) => `${count} messages under ${key} are refused: ${reason}`,
  );
  if (unroutable.length > 0) problems.push(`no queue is bound for ${unroutable.join(", ")}`);
  const isDegraded = refused.size > 0 || unroutable.some((key) => !key.startsWith("rule."));
  const detail = [broker.detail, ...problems].join("; ");
  return { state: isDegraded ? "degraded" : "up", detail, checkedAtMs };
}

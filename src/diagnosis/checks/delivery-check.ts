/** Messages that the broker refuses or cannot route. Only the publishing agent knows, so the local agent is asked. */
import type { Config } from "../../config/schema.ts";
import { routingKeys } from "../../messaging/messages/message-types.ts";
import { notice, wrong, type Finding } from "../finding.ts";
import { seriesOf } from "../running-agent/metric-series.ts";

export function checkDeliveries(config: Config, metrics: string): readonly Finding[] {
  const series = (name: string, label: string): ReadonlyMap<string, number> =>
    seriesOf(metrics, name, "gauge", label) ?? new Map();
  const refused = series("messages_refused", "routing_key");
  const unroutable = [...series("routing_key_unroutable", "routing_key").keys()];
  // What queues do shows only while the broker accepts messages.
  const fault = [...series("broker_condition", "condition").keys()].find((condition) => condition !== "up");
  return fault === undefined
    ? [...refusedNow(config, refused), ...droppedNow(config, unroutable)]
    : asOfBefore(fault, refused, unroutable);
}

function refusedNow(
  { message_queue: { exchange, executions_exchange: executions } }: Config,
  refused: ReadonlyMap<string, number>,
): readonly Finding[] {
  return Array.from(refused, ([routingKey, count]) =>
    wrong(`messages ${routingKey}`, `are refused by a queue; ${count} will be retried`, {
      remedy: `find the full queue bound to ${isEnforcement(routingKey) ? `${executions} or ${exchange}` : exchange} with ${routingKey} that rejects messages (x-overflow), and consume from it or unbind it`,
      facts: { routingKey, count },
    }),
  );
}

function droppedNow(
  { message_queue: { exchange, executions_exchange: executions } }: Config,
  unroutable: readonly string[],
): readonly Finding[] {
  return unroutable.map((routingKey) => {
    // Unrouted enforcements mean that rules have no effect. Other messages may have no receiver on purpose.
    const finding = isEnforcement(routingKey) ? wrong : notice;
    return finding(`messages ${routingKey}`, "are dropped: no queue is bound for them", {
      remedy: isEnforcement(routingKey)
        ? `start the program that receives them, or bind its queue to ${executions} with enforcement.#`
        : `bind a queue to ${exchange} with ${routingKey} if a program should receive them`,
      facts: { routingKey },
    });
  });
}

/** The failure itself is the broker's own finding. */
function asOfBefore(
  fault: string,
  refused: ReadonlyMap<string, number>,
  unroutable: readonly string[],
): readonly Finding[] {
  const before = `before the agent's connection to the broker failed (${fault})`;
  return [
    ...Array.from(refused, ([routingKey, count]) =>
      notice(
        `messages ${routingKey}`,
        `were refused by a queue ${before}; ${count} will be retried once it works`,
        { facts: { routingKey, count, condition: fault } },
      ),
    ),
    ...unroutable.map((routingKey) =>
      notice(`messages ${routingKey}`, `were dropped ${before}: no queue was bound for them`, {
        facts: { routingKey, condition: fault },
      }),
    ),
  ];
}

function isEnforcement(routingKey: string): boolean {
  return routingKey === routingKeys.EnforcementCreated;
}

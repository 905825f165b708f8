/** Messages that the broker refuses or cannot route. Only the publishing agent knows, so the local agent is asked. */
import type { Config } from "../../config/schema.ts";
import { routingKeys } from "../../messaging/messages/message-types.ts";
import { askableListeners, askAgent } from "../running-agent/ask-agent.ts";
import { notice, wrong, type Finding } from "../finding.ts";
import { seriesOf } from "../running-agent/metric-series.ts";

const metricsBytesMax = 16 * 1024 * 1024;

export async function checkDeliveries(config: Config): Promise<readonly Finding[]> {
  const answer = await askAgent(askableListeners(config)[0], "/metrics", metricsBytesMax);
  if (answer.kind !== "answered" || !answer.isOk) return [];
  const refused = seriesOf(answer.body, "messages_refused", "gauge", "routing_key") ?? new Map();
  const unroutable = seriesOf(answer.body, "routing_key_unroutable", "gauge", "routing_key") ?? new Map();
  const { exchange, executions_exchange: executions } = config.message_queue;
  return [
    ...Array.from(refused, ([routingKey, count]) =>
      wrong(`messages ${routingKey}`, `are refused by a queue; ${count} will be retried`, {
        remedy: `find the full queue bound to ${isEnforcement(routingKey) ? `${executions} or ${exchange}` : exchange} with ${routingKey} that rejects messages (x-overflow), and consume from it or unbind it`,
        facts: { routingKey, count },
      }),
    ),
    ...Array.from(unroutable.keys(), (routingKey) => {
      // Unrouted enforcements mean that rules have no effect. Other messages may have no receiver on purpose.
      const finding = isEnforcement(routingKey) ? wrong : notice;
      return finding(`messages ${routingKey}`, "are dropped: no queue is bound for them", {
        remedy: isEnforcement(routingKey)
          ? `start the program that receives them, or bind its queue to ${executions} with enforcement.#`
          : `bind a queue to ${exchange} with ${routingKey} if a program should receive them`,
        facts: { routingKey },
      });
    }),
  ];
}

function isEnforcement(routingKey: string): boolean {
  return routingKey === routingKeys.EnforcementCreated;
}

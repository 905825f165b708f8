/** The queues of sensors on RabbitMQ. Each call has a channel of its own, since one that fails closes its channel. */
import type { Channel } from "amqplib";
import { OperatorError } from "../../errors/operator-error.ts";
import { routingKeys } from "../messages/message-types.ts";
import { sensorQueueName, type SensorQueues } from "../sensor-queues.ts";
import { declaring } from "./declare-topology.ts";

/**
 * Runs on a channel of the session that is up; `what` completes "could not …".
 *
 * @throws OperatorError with the library's error as cause
 */
export type OnBroker = <T>(what: string, work: (channel: Channel) => Promise<T>) => Promise<T>;

const ruleKeys = Object.values(routingKeys).filter((key) => key.startsWith("rule."));

/**
 * @param exchange that messages about rules are published on
 * @param home of the session that is up
 */
export function rabbitmqSensorQueues(
  exchange: string,
  home: () => Promise<string>,
  onBroker: OnBroker,
): SensorQueues {
  return {
    home,

    prepare(sensorRef) {
      const queue = sensorQueueName(sensorRef);
      return onBroker(`prepare the queue ${queue}`, async (channel) => {
        await declaring(`the queue ${queue}`, channel.assertQueue(queue, { durable: true }));
        for (const key of ruleKeys) {
          await declaring(`the binding of ${queue} to ${exchange}`, channel.bindQueue(queue, exchange, key));
        }
        // Last: what is published from here on must stay.
        await channel.purgeQueue(queue);
      });
    },

    async remove(sensorRef) {
      const queue = sensorQueueName(sensorRef);
      try {
        await onBroker(`delete the queue ${queue}`, (channel) =>
          channel.deleteQueue(queue, { ifUnused: true }),
        );
      } catch (error) {
        // Another worker's program consumes it already.
        if (!(error instanceof OperatorError && hasReplyCode(error, preconditionFailed))) throw error;
      }
    },

    async removeForgotten(sensorRef) {
      const queue = sensorQueueName(sensorRef);
      let isOurs = false;
      try {
        await onBroker(`delete the queue ${queue}`, async (channel) => {
          // AMQP shows a queue's properties only by refusing a declaration with others.
          await channel.assertQueue(queue, { durable: true });
          isOurs = true;
          await channel.deleteQueue(queue, { ifUnused: true });
        });
        return "deleted";
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        if (hasReplyCode(error, preconditionFailed)) return isOurs ? "in use" : "not ours";
        if (hasReplyCode(error, resourceLocked)) return "not ours";
        throw error;
      }
    },

    async consumerCount(sensorRef) {
      const queue = sensorQueueName(sensorRef);
      try {
        const { consumerCount } = await onBroker(`count the consumers of ${queue}`, (channel) =>
          channel.checkQueue(queue),
        );
        return consumerCount;
      } catch (error) {
        if (error instanceof OperatorError && hasReplyCode(error, notFound)) return undefined;
        throw error;
      }
    },
  };
}

const notFound = 404;
/** Another connection has it for itself alone. */
const resourceLocked = 405;
const preconditionFailed = 406;

function hasReplyCode({ cause }: OperatorError, code: number): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}

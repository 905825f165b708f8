/**
 * Queues from which standalone sensors read messages about rules themselves: `sensor.<ref>`, durable, without arguments,
 * as the sensors declare them too.
 *
 * Such a queue outlives its sensor, and would give a new one the changes of a time that is past. So an agent prepares it
 * before it reads the rules that it starts the sensor with, and removes it when the sensor is gone.
 */
export interface SensorQueues {
  /**
   * Where the queues are: the broker's cluster, its address and the virtual host.
   *
   * @throws OperatorError if the broker is out of reach
   */
  home(): Promise<string>;
  /**
   * Makes the queue exist, bound to the messages about rules, and empties it.
   *
   * @throws OperatorError if the broker is out of reach or refuses it
   */
  prepare(sensorRef: string): Promise<void>;
  /** Deletes the queue; nothing happens if there is none, or if it has a consumer. */
  remove(sensorRef: string): Promise<void>;
  /**
   * Deletes the queue unless it has a consumer, or other properties than `prepare` gives it: then it is somebody else's.
   *
   * @throws OperatorError if the broker is out of reach or refuses it
   */
  removeForgotten(sensorRef: string): Promise<QueueRemoval>;
  /** How many consumers it has; undefined: there is no such queue. */
  consumerCount(sensorRef: string): Promise<number | undefined>;
}

/** Deleted also if there was none. */
export type QueueRemoval = "deleted" | "in use" | "not ours";

/** Sensors declare the name as well, so it is no setting. */
const sensorQueuePrefix = "sensor.";

export function sensorQueueName(sensorRef: string): string {
  return `${sensorQueuePrefix}${sensorRef}`;
}

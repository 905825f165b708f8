import type { Channel } from "amqplib";
import { reasonOf } from "./amqp-session.ts";
import { deadLetterQueue, exchanges } from "./topology.ts";

/** Declares everything of topology.ts; what is there already stays as it is. */
export async function declareTopology(channel: Channel): Promise<void> {
  for (const { name, from } of exchanges) {
    await declaring(`the exchange ${name}`, channel.assertExchange(name, "topic", { durable: true }));
    for (const { exchange, pattern } of from) await channel.bindExchange(name, exchange, pattern);
  }
  const { name, from, lengthMax } = deadLetterQueue;
  await declaring(`the queue ${name}`, channel.assertQueue(name, { durable: true, maxLength: lengthMax }));
  for (const { exchange, pattern } of from) await channel.bindQueue(name, exchange, pattern);
}

/** Adds what was being declared, and what to do; the broker's own words name only what differs. */
export async function declaring<T>(subject: string, declaration: Promise<T>): Promise<T> {
  try {
    return await declaration;
  } catch (error) {
    const reason = reasonOf(error);
    const isConflict = reason.includes("PRECONDITION_FAILED");
    const hint = isConflict ? "; it exists with other properties, delete it or make them agree" : "";
    throw new Error(`could not declare ${subject}: ${reason}${hint}`, { cause: error });
  }
}

/**
 * Declares the topology on a broker that other systems may share.
 *
 * An exchange or queue that already exists with other properties belongs to another system and is used as it is. An exchange
 * of another type than topic routes by other rules, though, so two things are done differently:
 * - the dead-letter exchange is replaced by one of our own, `<name>.topic`: a queue bound with `#` to a direct
 *   exchange receives nothing;
 * - a queue on an exchange that is no topic is bound under each routing key that its pattern matches.
 *
 * A declaration that fails closes its channel, hence a channel for each that may fail.
 */
import type { Channel, ChannelModel } from "amqplib";
import { reasonOf } from "./session.ts";
import { routingKeys } from "../messages/message-types.ts";
import { topicMatches } from "../in-process/topic-pattern.ts";
import { topologyOf, type BoundedQueue, type Topology, type TopologyNames, type Way } from "../topology.ts";

export interface DeclaredTopology {
  /** As it is on this broker: its dead letters may go elsewhere than asked for. */
  readonly topology: Topology;
  /** What was there before with other properties, in sentences for people. */
  readonly deviations: readonly string[];
}

/** @throws Error that names what could not be declared */
export async function declareTopology(
  connection: ChannelModel,
  names: TopologyNames,
): Promise<DeclaredTopology> {
  const wanted = topologyOf(names);
  try {
    await onChannel(connection, (channel) => declareAll(channel, wanted, new Map()));
    return { topology: wanted, deviations: [] };
  } catch (error) {
    if (!isSomebodyElses(error)) throw error;
    return await declareAround(connection, names);
  }
}

/** One declaration a channel, to find out which of them exist otherwise. */
async function declareAround(connection: ChannelModel, names: TopologyNames): Promise<DeclaredTopology> {
  const wanted = topologyOf(names);
  const foreign = new Map<string, string>();
  const deviations: string[] = [];
  const declare = async (kind: "exchange" | "queue", name: string): Promise<void> => {
    const difference = await differenceOf(connection, kind, name, wanted);
    if (difference === undefined) return;
    foreign.set(name, difference);
    deviations.push(`the ${kind} ${name} cannot be declared: ${difference}`);
  };
  for (const { name } of wanted.exchanges) await declare("exchange", name);
  await declare("queue", names.deadLetterQueue);

  const isOtherType = foreign.get(names.deadLetters)?.includes("inequivalent arg 'type'") === true;
  const topology = topologyOf(isOtherType ? { ...names, deadLetters: `${names.deadLetters}.topic` } : names);
  await onChannel(connection, (channel) => declareAll(channel, topology, foreign));
  return { topology, deviations };
}

/** Why something that exists cannot be declared with our properties; undefined if it can. */
async function differenceOf(
  connection: ChannelModel,
  kind: "exchange" | "queue",
  name: string,
  { deadLetterQueue }: Topology,
): Promise<string | undefined> {
  const declare = (channel: Channel): Promise<unknown> =>
    kind === "exchange" ? declareExchange(channel, name) : declareQueue(channel, deadLetterQueue);
  const find = (channel: Channel): Promise<unknown> =>
    kind === "exchange" ? channel.checkExchange(name) : channel.checkQueue(name);
  try {
    await onChannel(connection, declare);
    return undefined;
  } catch (error) {
    if (!isSomebodyElses(error)) throw error;
    const isThere = await onChannel(connection, find).then(
      () => true,
      () => false,
    );
    if (!isThere) throw error;
    return reasonOf(error instanceof Error ? error.cause : error);
  }
}

async function declareAll(
  channel: Channel,
  { exchanges, deadLetterQueue }: Topology,
  foreign: ReadonlyMap<string, string>,
): Promise<void> {
  for (const { name, from } of exchanges) {
    if (!foreign.has(name)) await declareExchange(channel, name);
    for (const way of from) {
      for (const key of bindingKeys(way, foreign)) {
        await declaring(
          `the binding of ${name} to ${way.exchange}`,
          channel.bindExchange(name, way.exchange, key),
        );
      }
    }
  }
  const { name, from } = deadLetterQueue;
  if (!foreign.has(name)) await declareQueue(channel, deadLetterQueue);
  for (const { exchange, pattern } of from) {
    await declaring(`the binding of ${name} to ${exchange}`, channel.bindQueue(name, exchange, pattern));
  }
}

function bindingKeys({ exchange, pattern }: Way, foreign: ReadonlyMap<string, string>): readonly string[] {
  if (!foreign.has(exchange)) return [pattern];
  return [pattern, ...Object.values(routingKeys).filter((key) => topicMatches(pattern, key))];
}

function declareExchange(channel: Channel, name: string): Promise<unknown> {
  return declaring(`the exchange ${name}`, channel.assertExchange(name, "topic", { durable: true }));
}

function declareQueue(channel: Channel, { name, lengthMax }: BoundedQueue): Promise<unknown> {
  return declaring(`the queue ${name}`, channel.assertQueue(name, { durable: true, maxLength: lengthMax }));
}

/** @param abandoned the work is not begun, or sends nothing more, once this aborts */
export async function onChannel<T>(
  connection: ChannelModel,
  work: (channel: Channel) => Promise<T>,
  abandoned?: AbortSignal,
): Promise<T> {
  const channel = await connection.createChannel();
  // The failure of what was asked says the same.
  channel.on("error", () => {});
  const abandon = (): void => void channel.close().catch(() => {});
  if (abandoned?.aborted) abandon();
  else abandoned?.addEventListener("abort", abandon);
  try {
    const result = await work(channel);
    await channel.close();
    return result;
  } finally {
    abandoned?.removeEventListener("abort", abandon);
  }
}

/** It exists with other properties, or the user may not declare it; in either case it may be there to be used. */
function isSomebodyElses(error: unknown): boolean {
  return /PRECONDITION_FAILED|ACCESS_REFUSED/.test(reasonOf(error));
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

/**
 * The least that a lone event can cost: one row committed, one message published and consumed, by one
 * program that does nothing else.
 */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "amqplib";
import { Pool } from "pg";
import { floorPayload } from "./floor-payload.ts";
import { eventsExchange, watchQueue } from "./queue.ts";

/** Milliseconds from "here is the event" to "its message was consumed", event by event. */
export async function minimalLatenciesMs(
  databaseUrl: string,
  brokerUrl: string,
  { count, perSecond }: { readonly count: number; readonly perSecond: number },
): Promise<number[]> {
  const pool = new Pool({ connectionString: databaseUrl, max: 4 });
  const connection = await connect(brokerUrl);
  const channel = await connection.createConfirmChannel();
  await using queue = await watchQueue(brokerUrl);
  const latencies: number[] = [];
  const allConsumed = Promise.withResolvers<void>();
  await queue.consume((_, body) => {
    latencies.push(performance.now() - Number(body.toString("utf8", 0, 20)));
    if (latencies.length === count) allConsumed.resolve();
  });

  const text = "insert into attune.event (trigger_ref, payload) values ('bench.line', $1)";
  const anchorMs = performance.now();
  for (let sequence = 0; sequence < count; sequence += 1) {
    const dueInMs = anchorMs + (sequence * 1_000) / perSecond - performance.now();
    if (dueInMs > 0) await delay(dueInMs);
    const startedAtMs = performance.now();
    const payload = floorPayload(sequence);
    void pool.query({ name: "insert", text, values: [payload] }).then(() => {
      const body = Buffer.from(startedAtMs.toFixed(6).padEnd(20) + payload);
      return channel.publish(eventsExchange, "event.created", body, { persistent: true });
    });
  }
  await allConsumed.promise;
  await connection.close();
  await pool.end();
  return latencies;
}

/**
 * Floor (b) as a program: the messages of events and of one enforcement in ten, persistent, confirmed by
 * RabbitMQ, 1,000 in flight, to the exchange and queue that the agent's own messages take.
 *
 *     node message-floor.ts BROKER_URL SECONDS → {"count": …, "seconds": …}, the count in events
 */
import { randomUUID } from "node:crypto";
import { connect } from "amqplib";
import { declareQueue, eventsExchange } from "./queue.ts";
import { floorPayload } from "./floor-payload.ts";

const [url = "", seconds = ""] = process.argv.slice(2);
const inFlightMax = 1_000;
const durationMs = Number(seconds) * 1_000;

const connection = await connect(url);
const channel = await connection.createConfirmChannel();
await declareQueue(channel);

let inFlight = 0;
let resume: (() => void) | undefined;

const startedAtMs = performance.now();
let count = 0;
while (performance.now() - startedAtMs < durationMs) {
  send("event.created", "EventCreated", count);
  if (count % 10 === 0) send("enforcement.created", "EnforcementCreated", count);
  count += 1;
  if (inFlight >= inFlightMax) await new Promise<void>((resolve) => (resume = resolve));
}
await channel.waitForConfirms();
process.stdout.write(`${JSON.stringify({ count, seconds: (performance.now() - startedAtMs) / 1_000 })}\n`);
await connection.close();

function send(routingKey: string, type: string, sequence: number): void {
  const messageId = randomUUID();
  const timestamp = new Date().toISOString();
  const body = `{"message_id":"${messageId}","correlation_id":"${messageId}","message_type":"${type}","version":"1.0","timestamp":"${timestamp}","headers":{"retry_count":0,"source_service":"bench"},"payload":{"event_id":${sequence},"trigger_id":1,"trigger_ref":"bench.line","sensor_id":1,"sensor_ref":"bench.emitter","payload":${floorPayload(sequence)},"config":{}}}`;
  inFlight += 1;
  const options = { persistent: true, contentType: "application/json", messageId, type };
  channel.publish(eventsExchange, routingKey, Buffer.from(body), options, (error) => {
    if (error !== null && error !== undefined) throw error;
    inFlight -= 1;
    // Half of the room free: wakes come in batches, not one by one.
    if (resume === undefined || inFlight > inFlightMax / 2) return;
    resume();
    resume = undefined;
  });
}

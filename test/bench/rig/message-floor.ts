/**
 * Floor (b) as a program: the messages of events and of one enforcement in ten, as the agent sends them (with the same bodies,
 * properties and headers, persistent, mandatory) to the agent's exchange, confirmed by RabbitMQ, with as many in
 * flight as the agent allows.
 *
 *     node message-floor.ts BROKER_URL SECONDS → {"count": …, "seconds": …}, the count in events
 */
import { randomUUID } from "node:crypto";
import { connect } from "amqplib";
import { sourceService } from "../../../src/messaging/messages/envelope.ts";
import { enforcementCreated, eventCreated } from "../../../src/messaging/messages/message-types.ts";
import type { OutgoingMessage } from "../../../src/messaging/message-transport.ts";
import { windowLimits } from "../../../src/messaging/rabbitmq/rabbitmq.ts";
import { declareQueue, eventsExchange } from "./queue.ts";
import { floorPayload } from "./floor-payload.ts";

const [url = "", seconds = ""] = process.argv.slice(2);
const { countMax: inFlightMax } = windowLimits;
const durationMs = Number(seconds) * 1_000;
const about = { installationId: randomUUID(), triggerRef: "bench.line", configJson: "{}" };

const connection = await connect(url);
const channel = await connection.createConfirmChannel();
await declareQueue(channel);

let inFlight = 0;
let resume: (() => void) | undefined;

const startedAtMs = performance.now();
let count = 0;
while (performance.now() - startedAtMs < durationMs) {
  send(count);
  count += 1;
  if (inFlight >= inFlightMax) await new Promise<void>((resolve) => (resume = resolve));
}
await channel.waitForConfirms();
process.stdout.write(`${JSON.stringify({ count, seconds: (performance.now() - startedAtMs) / 1_000 })}\n`);
await connection.close();

function send(sequence: number): void {
  const eventId = String(sequence + 1);
  const of = { ...about, eventId, payloadJson: floorPayload(sequence), timestampMs: Date.now() };
  publish(eventCreated({ ...of, triggerId: "1", sensorId: "1", sensorRef: "bench.emitter" }));
  if (sequence % 10 !== 0) return;
  const rule = { ruleId: "1", ruleRef: "bench.tenth", actionId: "1", actionRef: "bench.act" };
  publish(enforcementCreated({ ...of, ...rule, enforcementId: eventId }));
}

function publish({
  routingKey,
  body,
  messageId,
  correlationId,
  type,
  timestampMs,
  headers,
}: OutgoingMessage): void {
  inFlight += 1;
  const options = {
    persistent: true,
    mandatory: true,
    contentType: "application/json",
    messageId,
    correlationId,
    type,
    timestamp: Math.floor(timestampMs / 1_000),
    appId: sourceService,
    headers,
  };
  channel.publish(eventsExchange, routingKey, Buffer.from(body), options, (error) => {
    if (error !== null && error !== undefined) throw error;
    inFlight -= 1;
    // Half of the room free: wakes come in batches, not one by one.
    if (resume === undefined || inFlight > inFlightMax / 2) return;
    resume();
    resume = undefined;
  });
}

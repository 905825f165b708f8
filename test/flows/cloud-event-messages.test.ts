/**
 * Messages as CloudEvents, from a whole agent over a real RabbitMQ, read by the official SDK.
 *
 * The SDK has no binding for AMQP. So the test brings a message into the form that the SDK reads over HTTP: the content type
 * stays, and in binary mode headers `cloudEvents_…` become `ce-…`, as the two bindings define them.
 */
import { join } from "node:path";
import { connect, type ConsumeMessage } from "amqplib";
import { CloudEvent, HTTP } from "cloudevents";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { decodeMessage } from "../../src/messaging/messages/envelope.ts";
import { messageId } from "../../src/model/identifiers.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { headersFor } from "../support/tokens.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const nothingListens = "amqp://127.0.0.1:1";

// Goal: every message about an event or an enforcement is a CloudEvent, also those that were stored under another format, and
//   the same fact has the same id in every format.
// Method: an agent that reaches no broker stores an event. Its successor has a broker and another format, and sends the stored
//   messages from the outbox, those of a new event from memory, and those of a replay.
test.each(["cloudevents_structured", "cloudevents_binary"] as const)(
  "with the format %s, events and enforcements are CloudEvents, and rules stay envelopes",
  { timeout: 180_000 },
  async (format) => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    await using queue = await everyMessage(vhost.url);
    await insertTrigger(fresh.database, "demo.tick");
    await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
    const [installation] = await query<{ id: string }>(fresh.database, "select id from installation");
    const installationId = installation?.id ?? "";
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: nothingListens,
      packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
      workerName: "cloudy",
    });
    const authorization = await headersFor("admin");
    const post = async (path: string, body: string): Promise<string> => {
      const response = await fetch(`${folder.apiUrl}/api/v1/events${path}`, {
        method: "POST",
        headers: { ...authorization, "content-type": "application/json" },
        body,
      });
      const text = await response.text();
      expect(response.status, text).toBeLessThan(300);
      return text;
    };
    const store = async (fields: string): Promise<string> => {
      const answer = await post("", `{"trigger_ref":"demo.tick",${fields}}`);
      return String((JSON.parse(answer) as { data: { id: number } }).data.id);
    };

    let left: string;
    {
      await using agent = await startAgent(folder);
      await expect
        .poll(
          () =>
            fetch(`${folder.apiUrl}/health/live`).then(
              ({ ok }) => ok,
              () => false,
            ),
          { timeout: 20_000 },
        )
        .toBe(true);
      left = await store(`"payload":{"n":1.50},"traceparent":"${traceparent}","tracestate":"a=1"`);
      await agent.assertRunning();
    }
    await using agent = await startAgent(folder, {
      environment: { ATTUNE__MESSAGE_QUEUE__URL: vhost.url, ATTUNE__MESSAGE_QUEUE__FORMAT: format },
    });
    await ready(agent, folder);
    const fromMemory = await store(`"payload":{"ä":"€"}`);
    await post(`/${left}/replay`, `{"force":true}`);

    await expect
      .poll(() => queue.messages.filter(({ fields }) => !fields.routingKey.startsWith("rule.")).length, {
        timeout: 30_000,
      })
      .toBe(6);
    const read = queue.messages.map((message) => ({ message, event: cloudEventOf(message) }));
    for (const { message, event } of read) {
      const { routingKey } = message.fields;
      if (routingKey.startsWith("rule.")) {
        expect(event).toBeUndefined();
        expect(decodeMessage(message.content)).toMatchObject({ ok: true });
        expect(message.properties.contentType).toBe("application/json");
        continue;
      }
      expect(event?.validate(), routingKey).toBe(true);
      expect(event).toMatchObject({
        id: message.properties.messageId,
        source: `urn:uuid:${installationId}`,
        type: `attune.${routingKey}`,
        subject: routingKey === "event.created" ? "demo.tick" : "demo.rule",
        datacontenttype: "application/json",
        triggerref: "demo.tick",
        packref: "demo",
        correlationid: message.properties.correlationId,
        data: { trigger_ref: "demo.tick" },
      });
      expect(message.properties.headers).toMatchObject({
        trigger_ref: "demo.tick",
        installation_id: installationId,
      });
    }
    expect(read.some(({ message }) => message.fields.routingKey === "rule.created")).toBe(true);

    const about = (eventId: string) => {
      const own = read.find(({ event }) => event?.id === messageId(installationId, "event", eventId));
      const others = read.filter(
        ({ event }) =>
          event?.type === "attune.enforcement.created" && event["correlationid"] === own?.event?.id,
      );
      expect(others).toHaveLength(1);
      return [own, ...others];
    };
    for (const { event, message } of about(left).filter((each) => each !== undefined)) {
      expect(event).toMatchObject({ traceparent, tracestate: "a=1", data: { payload: { n: 1.5 } } });
      // A row's number is written as PostgreSQL keeps it: with all its digits.
      expect(message.content.toString()).toMatch(/"payload": ?{"n": ?1\.50}/);
      expect(event).not.toHaveProperty("replayedfrom");
    }
    for (const each of about(fromMemory)) {
      expect(each?.event).toMatchObject({ data: { payload: { ä: "€" } } });
      expect(each?.event).not.toHaveProperty("traceparent");
    }
    const [copy] = await query<{ id: string }>(
      fresh.database,
      "select id::text from event where replayed_from is not null",
    );
    for (const each of about(copy?.id ?? ""))
      expect(each?.event).toMatchObject({
        replayedfrom: left,
        traceparent,
        data: { event_id: Number(copy?.id) },
      });
  },
);

function cloudEventOf({ properties, content, fields }: ConsumeMessage) {
  const contentType = String(properties.contentType);
  const attributes = Object.entries(properties.headers ?? {}).flatMap(([name, value]) =>
    name.startsWith("cloudEvents_") ? [[name.replace("cloudEvents_", "ce-"), String(value)]] : [],
  );
  const isStructured = contentType.startsWith("application/cloudevents");
  if (!isStructured && attributes.length === 0) return undefined;
  // One of the two modes, never a mixture.
  expect(isStructured && attributes.length > 0, fields.routingKey).toBe(false);
  const headers = { "content-type": contentType, ...Object.fromEntries(attributes) };
  const event = HTTP.toEvent({ headers, body: content.toString() });
  if (!(event instanceof CloudEvent)) throw new Error("the SDK reads no single CloudEvent");
  return event;
}

/** A queue of a consumer that was there before the agent. */
async function everyMessage(url: string) {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await channel.assertExchange("attune.events", "topic", { durable: true });
  const { queue } = await channel.assertQueue("every-message", { durable: true });
  await channel.bindQueue(queue, "attune.events", "#");
  const messages: ConsumeMessage[] = [];
  await channel.consume(queue, (message) => message !== null && messages.push(message), { noAck: true });
  return { messages, [Symbol.asyncDispose]: async () => await connection.close() };
}

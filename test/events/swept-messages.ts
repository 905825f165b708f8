/** What a sweeper publishes of the messages that nobody else will send. */
import { expect } from "vitest";
import { OutboxSweeper } from "../../src/events/outbox-sweeper.ts";
import { openInProcess } from "../../src/messaging/in-process.ts";
import type { MessageTransport, OutgoingMessage } from "../../src/messaging/message-transport.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { systemClock } from "../../src/time/clock.ts";
import { query } from "../support/platform-rows.ts";
import type { PipelineRig } from "./pipeline-rig.ts";

/** Sweeps until no message is left without an owner; those about rules are not among the result. */
export async function sweptMessages(rig: PipelineRig): Promise<readonly OutgoingMessage[]> {
  const published: OutgoingMessage[] = [];
  await using inProcess = await openInProcess({ logger: silentLogger });
  const transport: MessageTransport = {
    ...inProcess,
    publish(message) {
      if (!message.type.startsWith("Rule")) published.push(message);
      return Promise.resolve();
    },
  };
  const sweeper = new OutboxSweeper({
    database: rig.database,
    transport,
    instance: rig.instance,
    installationId: rig.installationId,
    intervalMs: 20,
    metrics: createMetrics({ version: "test", withProcess: false }),
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  const stopping = new AbortController();
  const run = sweeper.run(stopping.signal);
  const left = "select message_id from outbox where instance is null";
  await expect.poll(() => query(rig.database, left), { timeout: 10_000, interval: 20 }).toEqual([]);
  stopping.abort();
  await run;
  return published;
}

/** Every message, by whoever it is sent, must be of a row, and every row have one message. */
export async function expectMessagesOfRows(
  rig: PipelineRig,
  sent: readonly OutgoingMessage[],
  swept: readonly OutgoingMessage[],
): Promise<void> {
  const told = [...sent, ...swept].map(({ type, body }) => {
    const { payload } = JSON.parse(String(body));
    return type === "EventCreated"
      ? `event ${payload.event_id}`
      : `enforcement ${payload.enforcement_id} ${payload.rule_ref}`;
  });
  const rows = await query<{ fact: string }>(
    rig.database,
    "select 'event ' || id as fact from event union all select 'enforcement ' || id || ' ' || rule_ref from enforcement",
  );
  expect(told.toSorted()).toEqual(rows.map(({ fact }) => fact).toSorted());
}

/** What a sweeper publishes of the messages that were left in the outbox. */
import { expect } from "vitest";
import type { OutgoingMessage } from "../../src/messaging/message-transport.ts";
import { query } from "../support/platform-rows.ts";
import { preparePublishing, scriptedTransport } from "../support/publishing.ts";
import type { PipelineRig } from "./pipeline-rig.ts";

/**
 * Reads messages back until none of those that were left is owed any more.
 *
 * @param left undefined: all that the outbox has
 */
export async function sweptMessages(
  rig: PipelineRig,
  left?: ReadonlySet<string>,
): Promise<readonly OutgoingMessage[]> {
  const transport = scriptedTransport();
  transport.answer = async () => "routed";
  await using publishing = preparePublishing({ ...rig, transport, intervalMs: 20 });
  const owed = async (): Promise<readonly string[]> => {
    const rows = await query<{ id: string }>(
      rig.database,
      "select message_id as id from outbox where body is null",
    );
    return rows.map(({ id }) => id).filter((id) => left?.has(id) ?? true);
  };
  publishing.publisher.leave(await owed());
  await publishing.start();
  await expect.poll(owed, { timeout: 10_000, interval: 20 }).toEqual([]);
  return transport.published.filter(
    ({ type, messageId }) => !type.startsWith("Rule") && (left?.has(messageId) ?? true),
  );
}

/** Every message, from any sender, must belong to a row, and every row must have one message. */
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

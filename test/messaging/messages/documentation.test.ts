/**
 * docs/messages.md and the code agree.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { messagesOf } from "../../../src/events/prepared-batch.ts";
import { decodeMessage } from "../../../src/messaging/messages/envelope.ts";
import { routingKeys } from "../../../src/messaging/messages/message-types.ts";
import { payloadShapes } from "../../../src/messaging/messages/payload-shapes.ts";
import { topologyOf, usualNames } from "../../../src/messaging/topology.ts";
import { eventEntry, unmatchedBatch } from "../../support/event-entry.ts";

const page = readFileSync(new URL("../../../docs/messages.md", import.meta.url), "utf8");

interface Section {
  readonly types: readonly string[];
  readonly fieldNames: readonly string[];
  readonly example: unknown;
}

/** The first cells of a table, without their backticks. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, cell]) => cell ?? "");
}

/** Each heading of the third level: the types it names, their fields, an example payload. */
const sections: Section[] = page
  .split(/^### /m)
  .slice(1)
  .map((section) => ({
    types: (section.split("\n")[0] ?? "").split(", "),
    fieldNames: firstCells(section.split(/^## /m)[0] ?? ""),
    example: JSON.parse(/```json\n([^`]*)```/.exec(section)?.[1] ?? "null"),
  }));

test("every message type is described, and no other", () => {
  expect(sections.flatMap(({ types }) => types).toSorted()).toEqual(Object.keys(payloadShapes).toSorted());
});

test.each(Object.entries(payloadShapes))(
  "the fields of %s are those of the code, and its example is valid",
  (type, shape) => {
    const section = sections.find(({ types }) => types.includes(type));
    const body = JSON.stringify({
      message_id: "1",
      correlation_id: "1",
      message_type: type,
      version: "1.0",
      timestamp: "2026-11-21T09:30:00Z",
      headers: { retry_count: 0, source_service: "docs" },
      payload: section?.example,
    });

    expect(section?.fieldNames).toEqual(shape.names);
    expect(decodeMessage(body)).toMatchObject({ ok: true });
    expect(Object.keys(Object(section?.example))).toEqual(shape.names);
  },
);

test("the example of EventCreated is what an event of such a trigger and sensor becomes", () => {
  const example: unknown = sections.find(({ types }) => types.includes("EventCreated"))?.example;
  const trigger = {
    id: "3",
    ref: "github.webhook",
    label: "A webhook arrived",
    enabled: true,
    paramSchema: {},
    outSchema: { properties: { branch: { type: "string" } } },
  };
  const payload = { branch: "main" };
  const source = {
    sensorId: "5",
    sensorRef: "github.poller",
    sensorConfig: { repository: "acme/site" },
    term: null,
  };
  const event = { triggerRef: trigger.ref, payload };
  const rules = { revisionOf: () => "1", trigger: () => trigger };
  const installationId = "0b5ab3f2-6f7c-4c42-9a53-64b0e0f20c11";

  const { events } = unmatchedBatch([eventEntry("17", { ...event, source })], rules, installationId);
  const [message] = events.flatMap((each) => messagesOf(each, new Date(0), installationId));

  expect(JSON.parse(String(message?.body))).toMatchObject({ payload: example });
  const [bare] = unmatchedBatch([eventEntry("17", event)], rules, installationId).events;
  expect(JSON.parse(bare?.configJson ?? "null")).toMatchObject({ sensor: null });
});

test("routing keys are those of the code", () => {
  const rows = [...page.matchAll(/^\| `(\w+)` +\| `([\w.]+)` +\|/gm)].map(([, type, key]) => [type, key]);

  expect(Object.fromEntries(rows)).toEqual(routingKeys);
});

test("exchanges and the dead-letter queue are those of the code", () => {
  const { exchanges, deadLetterQueue } = topologyOf(usualNames);
  const table = page.slice(page.indexOf("## Exchanges"), page.indexOf("## Envelope"));

  expect(firstCells(table)).toEqual(exchanges.map(({ name }) => name));
  expect(table).toContain(
    `\`${deadLetterQueue.name}\` collects ${deadLetterQueue.lengthMax.toLocaleString("en")}`,
  );
});

/** Every form in which an event can be given to a command. */
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { eventIn, givenObject } from "../../src/agent/given-event.ts";

const written = async (text: string, ...input: readonly string[]) =>
  eventIn(await givenObject(text, Readable.from(input.map((part) => Buffer.from(part)))), "garden.reading");

const plain = {
  id: "1",
  triggerRef: "garden.reading",
  payload: { celsius: 31 },
  sourceRef: null,
  occurredAt: null,
  triggerInstanceId: null,
};

test.each([
  ["a payload", '{"celsius": 31}', {}],
  [
    "a payload with its trigger",
    '{"trigger_ref": "garden.other", "celsius": 31}',
    { triggerRef: "garden.other" },
  ],
  [
    "an envelope",
    '{"payload": {"celsius": 31}, "trigger_instance_id": "rule_7", "dedup_key": "k", "occurred_at": "2026-01-31T12:00:00Z"}',
    { triggerInstanceId: "rule_7", occurredAt: "2026-01-31T12:00:00.000Z" },
  ],
  [
    "an envelope with its source",
    '{"payload": {"celsius": 31}, "source_ref": "garden.s"}',
    { sourceRef: "garden.s" },
  ],
  [
    "an event as the API answers it",
    '{"id": 7, "trigger_ref": "garden.other", "rule_ref": "garden.hot", "created": "2026-01-31T12:00:00Z", "config": {}, "payload": {"celsius": 31}}',
    { id: "7", triggerRef: "garden.other", triggerInstanceId: "rule_garden.hot" },
  ],
])("%s", async (_, text, differences) => {
  const { event, remarks } = await written(text);

  expect(event).toEqual({ ...plain, ...differences });
  expect(remarks).toEqual([]);
});

test("- reads standard input, in however many pieces it comes", async () => {
  expect((await written("-", '\uFEFF{"cel', 'sius": 31}\n')).event).toEqual(plain);
});

test.each([
  ["", "standard input is empty"],
  ["hot", "standard input is not JSON: "],
  ["[1]", "standard input is not a JSON object"],
  ['{"trigger_ref": 5}', "its trigger_ref is not text"],
  ['{"checkpoint": 5}', "it has a checkpoint only, which is no event"],
])("standard input with %j is refused", async (input, reason) => {
  await expect(written("-", input)).rejects.toThrow(reason);
});

test("a key of an envelope in a payload causes a remark", async () => {
  const { event, remarks } = await written('{"celsius": 31, "dedup_key": "k"}');

  expect(event.payload).toEqual({ celsius: 31, dedup_key: "k" });
  expect(remarks).toEqual([
    'it has "dedup_key" beside keys that no envelope has, such as "celsius", so all of it is the payload',
  ]);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMessage, encodeEnvelope, type Envelope } from "../../../src/messaging/messages/envelope.ts";
import type { MessageType } from "../../../src/messaging/messages/payload-shapes.ts";

const anyId = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String);
const anyInstant = fc
  .date({ min: new Date(0), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true })
  .map((date) => date.toISOString());
// Negative zero is the one number that JSON.stringify does not give back.
const anyJson = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)));
const anyObject = fc.dictionary(fc.string(), anyJson).map((value) => JSON.parse(JSON.stringify(value)));
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
const anyValueButNull = anyJson.filter((value) => value !== null);

const anyRule = fc.record({
  rule_id: anyId,
  rule_ref: fc.string(),
  trigger_id: orNull(anyId),
  trigger_ref: fc.string(),
  trigger_params: anyObject,
  enabled: fc.boolean(),
});

const anyPayload: Record<MessageType, fc.Arbitrary<unknown>> = {
  EventCreated: fc.record({
    event_id: anyId,
    trigger_id: orNull(anyId),
    trigger_ref: fc.string(),
    sensor_id: orNull(anyId),
    sensor_ref: orNull(fc.string()),
    payload: anyJson,
    config: anyJson,
  }),
  EnforcementCreated: fc.record({
    enforcement_id: anyId,
    rule_id: orNull(anyId),
    rule_ref: fc.string(),
    action: orNull(anyId),
    action_ref: orNull(fc.string()),
    config: orNull(anyValueButNull),
    event_id: orNull(anyId),
    trigger_ref: fc.string(),
    payload: anyJson,
  }),
  RuleCreated: anyRule,
  RuleEnabled: anyRule,
  RuleDisabled: anyRule,
  RuleUpdated: anyRule,
  RuleDeleted: anyRule,
  ExecutionRequested: fc.record({
    execution_id: anyId,
    action_id: orNull(anyId),
    action_ref: fc.string(),
    parent_id: orNull(anyId),
    enforcement_id: orNull(anyId),
    config: orNull(anyValueButNull),
  }),
  ExecutionStatusChanged: fc.record({
    execution_id: anyId,
    action_ref: fc.string(),
    previous_status: orNull(fc.string()),
    new_status: fc.string(),
    changed_at: anyInstant,
  }),
  ExecutionCompleted: fc.record({
    execution_id: anyId,
    action_id: orNull(anyId),
    action_ref: fc.string(),
    status: fc.string(),
    result: orNull(anyValueButNull),
    completed_at: anyInstant,
  }),
  InquiryCreated: fc.record({
    inquiry_id: anyId,
    execution_id: anyId,
    prompt: fc.string(),
    response_schema: orNull(anyObject),
    assigned_to: orNull(anyId),
    timeout_at: orNull(anyInstant),
  }),
  InquiryResponded: fc.record({
    inquiry_id: anyId,
    execution_id: anyId,
    response: anyJson,
    responded_by: orNull(anyId),
    responded_at: anyInstant,
  }),
  NotificationCreated: fc.record({
    notification_id: orNull(anyId),
    channel: fc.string(),
    entity_type: fc.string(),
    entity: fc.string(),
    activity: fc.string(),
    content: orNull(anyValueButNull),
  }),
};

const anyEnvelope = (type: MessageType): fc.Arbitrary<Envelope> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- message_type chose the payload's arbitrary
  fc.record({
    message_id: fc.uuid(),
    correlation_id: fc.uuid(),
    message_type: fc.constant(type),
    version: fc.constant("1.0"),
    timestamp: anyInstant,
    headers: fc.record({
      retry_count: fc.nat(),
      source_service: fc.string(),
      trace_id: fc.option(fc.string(), { nil: undefined }),
      traceparent: fc.option(fc.string(), { nil: undefined }),
      tracestate: fc.option(fc.string(), { nil: undefined }),
    }),
    payload: anyPayload[type],
  }) as fc.Arbitrary<Envelope>;

function typedKeys<K extends string>(record: Readonly<Record<K, unknown>>): K[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the literal above has no other keys
  return Object.keys(record) as K[];
}

test("every type: what was encoded is decoded to the same", () => {
  for (const type of typedKeys(anyPayload)) {
    fc.assert(
      fc.property(anyEnvelope(type), (envelope) => {
        expect(decodeMessage(encodeEnvelope(envelope))).toEqual({ ok: true, envelope });
      }),
    );
  }
});

function body(changes: object): string {
  return JSON.stringify({
    message_id: "1",
    correlation_id: "1",
    message_type: "ExecutionCompleted",
    version: "1.0",
    timestamp: "2026-11-21T09:00:00.123Z",
    headers: { retry_count: 0, source_service: "executor" },
    payload: {
      execution_id: 7,
      action_ref: "core.echo",
      status: "succeeded",
      completed_at: "2026-11-21T09:00:00Z",
    },
    ...changes,
  });
}

test("unknown fields are skipped, and absent nullable ones are null", () => {
  const decoded = decodeMessage(body({ colour: "blue", version: "1.7" }));

  expect(decoded).toMatchObject({ ok: true, envelope: { payload: { action_id: null, result: null } } });
});

function encodedId(id: string): unknown {
  const completed = { action_ref: "a", status: "s", completed_at: "2026-11-21T09:00:00Z" };
  const decoded = decodeMessage(body({ payload: { execution_id: id, ...completed } }));
  if (!decoded.ok) throw new Error(decoded.problem);
  return JSON.parse(encodeEnvelope(decoded.envelope)).payload.execution_id;
}

test("an id is a number where that is exact, and text beyond", () => {
  expect(encodedId("42")).toBe(42);
  expect(encodedId("9007199254740991")).toBe(9007199254740991);
  expect(encodedId("9007199254740993")).toBe("9007199254740993");
});

test.each([
  ["{", /the body is not JSON/],
  ["[]", /body: expected an object, found \[\]/],
  [body({ message_id: 7 }), /body.message_id: expected text, found 7/],
  [body({ message_type: "toString" }), /body.message_type: no such message type: "toString"/],
  [body({ version: "2.0" }), /body.version: expected 1.x, found "2.0"/],
  [body({ timestamp: "yesterday" }), /body.timestamp: expected an RFC 3339 time, found "yesterday"/],
  [
    body({ headers: { source_service: "x" } }),
    /body.headers.retry_count: expected a whole number, found nothing/,
  ],
  [body({ payload: undefined }), /body.payload: expected an object, found nothing/],
  [body({ payload: { execution_id: -1 } }), /body.payload.execution_id: expected an id, found -1/],
  [body({ payload: { execution_id: 1.5 } }), /body.payload.execution_id: expected an id, found 1.5/],
])("a body that is no message is a problem with its path: %s", (text, problem) => {
  const decoded = decodeMessage(Buffer.from(text));

  expect(decoded.ok ? "" : decoded.problem).toMatch(problem);
});

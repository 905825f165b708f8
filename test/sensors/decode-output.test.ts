import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeLine, decodePoll } from "../../src/sensors/decode-output.ts";

const served = { main: "door.opened", all: new Set(["door.opened", "door.closed"]) };

function eventOf(value: unknown) {
  const decoded = decodeLine(typeof value === "string" ? value : JSON.stringify(value), served);
  if (decoded.kind !== "event") throw new Error(JSON.stringify(decoded));
  return decoded.event;
}

function reasonOf(value: unknown): string {
  const decoded = decodeLine(typeof value === "string" ? value : JSON.stringify(value), served);
  return decoded.kind === "rejected" ? decoded.rejection.reason : `it is ${decoded.kind}`;
}

test("an envelope carries everything about its event; what else it carries is ignored", () => {
  const event = eventOf({
    trigger_ref: "door.closed",
    payload: { by: "wind" },
    trigger_instance_id: "rule_7",
    dedup_key: "k",
    occurred_at: "2026-01-31T12:00:00+01:00",
    checkpoint: { line: 3 },
    source: "some SDK says this",
  });

  expect(event).toEqual({
    triggerRef: "door.closed",
    payload: { by: "wind" },
    triggerInstanceId: "rule_7",
    dedupKey: "k",
    occurredAt: new Date("2026-01-31T11:00:00Z"),
    checkpoint: { line: 3 },
  });
});

test("without an envelope the line is the payload, beside trigger_ref and trigger_instance_id", () => {
  const event = eventOf({
    trigger_ref: "door.closed",
    trigger_instance_id: "rule_x",
    by: "wind",
    checkpoint: 3,
  });

  expect(event).toEqual({
    triggerRef: "door.closed",
    payload: { by: "wind", checkpoint: 3 },
    triggerInstanceId: "rule_x",
    dedupKey: null,
    occurredAt: null,
    checkpoint: undefined,
  });
});

test("a payload that is no object is wrapped in an envelope, and is a field like others elsewhere", () => {
  expect(eventOf({ payload: 5 }).payload).toEqual({ value: 5 });
  expect(eventOf({ payload: null, checkpoint: 1 }).payload).toEqual({ value: null });
  expect(eventOf({ topic: "lamp", payload: "ON" }).payload).toEqual({ topic: "lamp", payload: "ON" });
});

test("a checkpoint of null leaves the checkpoint where it is", () => {
  expect(eventOf({ payload: {}, checkpoint: null }).checkpoint).toBeUndefined();
  expect(eventOf({ payload: {}, checkpoint: 0 }).checkpoint).toBe(0);
});

test("what is no event is rejected with its reason", () => {
  expect(reasonOf('{"half": ')).toBe("the line is not JSON");
  expect(reasonOf("[1]")).toBe("the line is not a JSON object");
  expect(reasonOf("5")).toBe("the line is not a JSON object");
  expect(reasonOf({ trigger_ref: "other.one", payload: {} })).toBe(
    "the sensor does not serve the trigger other.one",
  );
  expect(reasonOf({ trigger_ref: 5 })).toBe("trigger_ref is not text");
  expect(reasonOf({ trigger_instance_id: 5 })).toBe("trigger_instance_id is not text");
  expect(reasonOf({ payload: {}, dedup_key: 5 })).toBe("dedup_key is not text");
  expect(reasonOf({ payload: {}, occurred_at: "yesterday" })).toMatch(/^occurred_at is not a time/);
  expect(reasonOf({ payload: {}, occurred_at: "2026-02-99T12:00:00Z" })).toMatch(
    /^occurred_at is not a time/,
  );
  expect(reasonOf("  ")).toBe("it is nothing");
  expect(decodeLine({ kind: "too-long", bytes: 2_000_000, excerpt: "xx" }, served)).toEqual({
    kind: "rejected",
    rejection: { reason: "the line of 2000000 bytes is too long", excerpt: "xx" },
  });
});

test("any object as the payload of an envelope arrives unchanged", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (payload) => {
      expect(eventOf({ payload }).payload).toEqual(JSON.parse(JSON.stringify(payload)));
    }),
  );
});

test("decoding is total: any text and any JSON is an event, a rejection with a short excerpt, or nothing", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const decoded = decodeLine(text, served);
      const polled = decodePoll(Buffer.from(text), served);

      expect(["event", "rejected", "nothing"]).toContain(decoded.kind);
      if (decoded.kind === "rejected") expect(decoded.rejection.excerpt.length).toBeLessThanOrEqual(200);
      for (const event of polled.events) expect(served.all.has(event.triggerRef)).toBe(true);
    }),
  );
});

test("a poll's events may be payloads or envelopes, and its checkpoint goes with the last of them", () => {
  const output = {
    events: [
      { n: 1 },
      { trigger_ref: "door.closed", payload: { n: 2 } },
      "three",
      { trigger_ref: "other.one" },
    ],
    checkpoint: "here",
  };

  const { events, rejections } = decodePoll(Buffer.from(JSON.stringify(output, null, 2)), served);

  expect(events.map((event) => event.payload)).toEqual([{ n: 1 }, { n: 2 }, { value: "three" }]);
  expect(events.map((event) => event.checkpoint)).toEqual([undefined, undefined, "here"]);
  expect(rejections.length).toBe(1);
});

test("a poll that has nothing to say says nothing", () => {
  for (const output of ["", "\n\n", '{"events": []}']) {
    expect(decodePoll(Buffer.from(output), served)).toEqual({ events: [], rejections: [] });
  }
});

test("a poll's lines are decoded one by one; one that is no event does not spoil the others", () => {
  const { events, rejections } = decodePoll(Buffer.from('{"n": 1}\noops\n{"events": [{"n": 2}]}\n'), served);

  expect(events.map((event) => event.payload)).toEqual([{ n: 1 }, { n: 2 }]);
  expect(rejections).toEqual([{ reason: "the line is not JSON", excerpt: "oops" }]);
});

test("a poll's output that is not UTF-8 is rejected as a whole", () => {
  const { events, rejections } = decodePoll(Buffer.from([0x7b, 0xff, 0x7d]), served);

  expect(events).toEqual([]);
  expect(rejections[0]?.reason).toBe("the output is not UTF-8");
});

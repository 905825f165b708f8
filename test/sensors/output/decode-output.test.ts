import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ExactNumber } from "../../../src/model/json/exact-number.ts";
import type { DecodedOutput } from "../../../src/sensors/output/decoded-output.ts";
import { decodeLine } from "../../../src/sensors/output/decode-output.ts";

const served = { main: "door.opened", all: new Set(["door.opened", "door.closed"]) };

function decode(value: unknown): DecodedOutput {
  return decodeLine(typeof value === "string" ? value : JSON.stringify(value), served);
}

function eventOf(value: unknown) {
  const decoded = decode(value);
  if (decoded.kind !== "event") throw new Error(JSON.stringify(decoded));
  return decoded.event;
}

function remarksOf(value: unknown): readonly string[] {
  const decoded = decode(value);
  return decoded.kind === "event" ? decoded.remarks.map(({ topic }) => topic) : [];
}

function reasonOf(value: unknown): string {
  const decoded = decode(value);
  return decoded.kind === "rejected" ? decoded.rejection.reason : `it is ${decoded.kind}`;
}

test("an envelope carries everything about its event", () => {
  const event = eventOf({
    trigger_ref: "door.closed",
    payload: { by: "wind" },
    trigger_instance_id: "rule_7",
    dedup_key: "k",
    occurred_at: "2026-01-31T12:00:00+01:00",
    checkpoint: { line: 3 },
  });

  expect(event).toEqual({
    triggerRef: "door.closed",
    payload: { by: "wind" },
    triggerInstanceId: "rule_7",
    dedupKey: "k",
    occurredAt: "2026-01-31T11:00:00.000Z",
    checkpoint: { line: 3 },
  });
});

test("an envelope may carry its trace, and an invalid one is left out", () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

  expect(eventOf({ payload: {}, traceparent, tracestate: "a=1" }).trace).toEqual({
    traceparent,
    tracestate: "a=1",
  });
  expect(eventOf({ payload: {}, traceparent: "nonsense" }).trace).toBeUndefined();
  expect(eventOf({ payload: {}, traceparent: null }).trace).toBeUndefined();
});

test("the keys of a trace make no envelope by themselves", () => {
  expect(eventOf({ traceparent: "x" }).payload).toEqual({ traceparent: "x" });
  expect(eventOf({ traceparent: "x", by: "wind" }).payload).toEqual({ traceparent: "x", by: "wind" });
});

test("an object with any other key is the payload, but for trigger_ref and trigger_instance_id", () => {
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

test("objects of other programs keep every key, whatever lies under payload", () => {
  for (const value of [
    { id: "1", type: "PushEvent", repo: { name: "acme/site" }, payload: { ref: "refs/heads/main" } },
    { tst: "2026-01-31T12:00:00.1+0000", topic: "home/kitchen", qos: 0, payload: { celsius: 31 } },
    { topic: "lamp", payload: "ON" },
    { schema: "x", payload: { a: 1 }, event: { replayId: 5 } },
    { payload: { a: 1 }, checkpoint: 5, source: "some SDK says this" },
    { payload: { a: 1 }, dedup_key: "", occurred_at: 17, offset: 1 },
    { checkpoint: 5, "": null },
  ]) {
    expect(eventOf(value)).toMatchObject({ payload: value, dedupKey: null, occurredAt: null });
    expect(remarksOf(value)).toEqual(["envelope"]);
  }
});

test("an object that does not resemble an envelope causes no remark", () => {
  for (const value of [
    {},
    { by: "wind" },
    { trigger_ref: "door.closed", by: "wind" },
    { payload: {} },
    { payload: 5, checkpoint: 1 },
    { trigger_ref: "door.closed" },
    { checkpoint: 5 },
    { payload: { payload: 1, of: "another program" } },
  ]) {
    expect(remarksOf(value)).toEqual([]);
  }
});

test("an envelope's payload that is no object is wrapped", () => {
  expect(eventOf({ payload: 5 }).payload).toEqual({ value: 5 });
  expect(eventOf({ payload: null, checkpoint: 1 }).payload).toEqual({ value: null });
  expect(eventOf({ payload: [1], trigger_ref: "door.closed" }).payload).toEqual({ value: [1] });
});

test("an envelope without a payload is an event with an empty one", () => {
  for (const value of [
    { dedup_key: "x", checkpoint: 6 },
    { occurred_at: "2026-01-31T12:00:00Z" },
    { trigger_ref: "door.closed", checkpoint: 6 },
    { trigger_instance_id: "rule_7" },
    { trigger_ref: "door.closed" },
    { trigger_ref: null },
    {},
  ]) {
    expect([value, eventOf(value).payload]).toEqual([value, {}]);
  }
  expect(eventOf({ dedup_key: "x", checkpoint: 6 })).toMatchObject({ dedupKey: "x", checkpoint: 6 });
  expect(remarksOf({ dedup_key: "x", checkpoint: 6 })).toEqual(["payload"]);
});

test("an envelope with nothing but a checkpoint moves it and is no event", () => {
  const absent = { trigger_ref: null, trigger_instance_id: null, dedup_key: null, occurred_at: null };

  expect(decode({ checkpoint: 5 })).toEqual({ kind: "checkpoint", checkpoint: 5 });
  expect(decode({ checkpoint: false })).toEqual({ kind: "checkpoint", checkpoint: false });
  expect(decode({ ...absent, checkpoint: { at: 1 } })).toEqual({ kind: "checkpoint", checkpoint: { at: 1 } });
  expect(decode({ checkpoint: null })).toEqual({ kind: "nothing" });
});

test("a checkpoint of null leaves the checkpoint where it is", () => {
  expect(eventOf({ payload: {}, checkpoint: null }).checkpoint).toBeUndefined();
  expect(eventOf({ payload: {}, checkpoint: 0 }).checkpoint).toBe(0);
});

test("an envelope in an envelope is stored as it is, with a remark", () => {
  const inner = { payload: { n: 1 }, checkpoint: 5 };

  expect(eventOf({ payload: inner })).toMatchObject({ payload: inner, checkpoint: undefined });
  expect(remarksOf({ payload: inner })).toEqual(["payload"]);
});

test("a dedup_key is text that an index can hold", () => {
  expect(reasonOf({ payload: {}, dedup_key: "" })).toMatch(/^dedup_key is empty/);
  expect(reasonOf({ dedup_key: "" })).toMatch(/^dedup_key is empty/);
  expect(reasonOf({ payload: {}, dedup_key: 5 })).toBe("dedup_key is not text");
  expect(reasonOf({ payload: {}, dedup_key: ["a"] })).toBe("dedup_key is not text");
  expect(reasonOf({ payload: {}, dedup_key: "x".repeat(2_001) })).toMatch(/has 2001 bytes and may have 2000/);
  expect(reasonOf({ payload: {}, dedup_key: "ü".repeat(1_001) })).toMatch(/has 2002 bytes/);
  for (const key of ["x", "x".repeat(2_000), "ü".repeat(1_000), "😀".repeat(500), " "]) {
    expect(eventOf({ payload: {}, dedup_key: key }).dedupKey).toBe(key);
  }
  expect(eventOf({ payload: {}, dedup_key: null }).dedupKey).toBeNull();
});

test("an occurred_at that is no time costs nothing but itself", () => {
  for (const time of [1_769_860_800, "1769860800", "yesterday", "2026-02-30T12:00:00Z", "", true, {}, [1]]) {
    const value = { payload: { n: 1 }, occurred_at: time, checkpoint: 4 };
    expect(eventOf(value)).toMatchObject({ payload: { n: 1 }, occurredAt: null, checkpoint: 4 });
    expect(remarksOf(value)).toEqual(["occurred_at"]);
  }
  expect(remarksOf({ payload: {}, occurred_at: null })).toEqual([]);
  expect(remarksOf({ payload: {}, occurred_at: "2026-06-30T23:59:60Z" })).toEqual([]);
});

test("output that is not an event is rejected with a reason", () => {
  expect(reasonOf('{"half": ')).toMatch(/^it is not JSON: /);
  expect(reasonOf("[1]")).toMatch(/^the line is not a JSON object but an array; print one object a line/);
  expect(reasonOf("5")).toBe("the line is not a JSON object");
  expect(reasonOf({ trigger_ref: "other.one", payload: {} })).toBe(
    "the sensor does not serve the trigger other.one; it serves door.opened, door.closed",
  );
  expect(reasonOf({ trigger_ref: 5 })).toBe("trigger_ref is not text");
  expect(reasonOf({ trigger_instance_id: 5 })).toBe("trigger_instance_id is not text");
  expect(reasonOf("  ")).toBe("it is nothing");
  expect(decodeLine({ kind: "too-long", bytes: 2_000_000, excerpt: "xx" }, served)).toEqual({
    kind: "rejected",
    rejection: {
      reason: "the line of 2000000 bytes is too long (sensor.line_bytes_max)",
      excerpt: "xx",
      lines: 1,
    },
    checkpoint: undefined,
  });
});

test("an envelope that is JSON but too deep or too precise keeps its checkpoint as well", () => {
  const deep = `${"[".repeat(600)}${"]".repeat(600)}`;
  const long = "9".repeat(2_000);

  expect(decode(`{"payload": {"a": ${deep}}, "checkpoint": 1.50}`)).toMatchObject({
    kind: "rejected",
    checkpoint: new ExactNumber("1.50"),
  });
  expect(decode(`{"checkpoint": {"at": 7}, "payload": ${long}}`)).toMatchObject({ checkpoint: { at: 7 } });
  for (const text of [
    `{"payload": {}, "checkpoint": ${deep}}`,
    `{"payload": {}, "checkpoint": ${long}}`,
    `{"payload": ${long}, "checkpoint": 1, "other": 2}`,
    `{"payload": NaN, "checkpoint": 1}`,
  ]) {
    expect(decode(text)).toMatchObject({ kind: "rejected", checkpoint: undefined });
  }
});

test("a rejected envelope keeps its checkpoint, a rejected payload has none", () => {
  for (const value of [
    { trigger_ref: "other.one", checkpoint: 7 },
    { trigger_ref: 5, payload: {}, checkpoint: 7 },
    { payload: {}, dedup_key: "", checkpoint: 7 },
  ]) {
    expect(decode(value)).toMatchObject({ kind: "rejected", checkpoint: 7 });
  }
  expect(decode({ trigger_ref: "other.one", n: 1, checkpoint: 7 })).toMatchObject({
    kind: "rejected",
    checkpoint: undefined,
  });
});

test("any object as the payload of an envelope arrives unchanged", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (payload) => {
      expect(eventOf({ payload }).payload).toEqual(JSON.parse(JSON.stringify(payload)));
    }),
  );
});

test("no key of any object is lost: it is the envelope's, addresses the event, or is in the payload", () => {
  const name = fc.constantFrom(
    "payload",
    "checkpoint",
    "dedup_key",
    "occurred_at",
    "type",
    "__proto__",
    "events",
  );
  const arbitrary = fc.dictionary(fc.oneof(name, fc.string()), fc.jsonValue());
  fc.assert(
    fc.property(arbitrary, (object) => {
      const text = JSON.stringify(object);
      fc.pre(
        Object.keys(object).some(
          (key) => !["payload", "checkpoint", "dedup_key", "occurred_at"].includes(key),
        ),
      );
      fc.pre(!("trigger_ref" in object) && !("trigger_instance_id" in object));

      expect(JSON.stringify(eventOf(text).payload)).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

test("decoding is total: any text and any JSON is an event, a rejection with a short excerpt, or nothing", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const decoded = decode(text);
      expect(["event", "checkpoint", "rejected", "nothing"]).toContain(decoded.kind);
      if (decoded.kind === "rejected") expect(decoded.rejection.excerpt.length).toBeLessThanOrEqual(200);
      if (decoded.kind === "event") expect(served.all.has(decoded.event.triggerRef)).toBe(true);
    }),
  );
});

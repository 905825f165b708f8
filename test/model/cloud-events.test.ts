import { expect, test } from "vitest";
import { binaryCloudEvent } from "../../src/model/cloud-events/binary-mode.ts";
import { decodeCloudEvent } from "../../src/model/cloud-events/cloud-event.ts";
import { decodeTriggerMapping, TriggerTable } from "../../src/model/cloud-events/trigger-mapping.ts";
import type { JsonValue } from "../../src/model/json/json.ts";

const event = { specversion: "1.0", id: "1", source: "/s", type: "t" };

function problemOf(value: JsonValue): string | undefined {
  const decoded = decodeCloudEvent(value);
  return decoded.kind === "invalid" ? decoded.problem : undefined;
}

test("what the specification requires is required", () => {
  expect(problemOf(event)).toBeUndefined();
  expect(problemOf({ ...event, time: "2018-04-05T17:31:00Z", myext: 7, data: [1] })).toBeUndefined();
  expect(problemOf([event])).toMatch("JSON object");
  for (const name of ["id", "source", "type", "specversion"]) {
    expect(problemOf({ ...event, [name]: undefined as unknown as JsonValue })).toMatch(name);
    expect(problemOf({ ...event, [name]: "" })).toMatch(name);
    expect(problemOf({ ...event, [name]: 1 })).toMatch(name);
  }
  expect(problemOf({ ...event, specversion: "0.3" })).toMatch("1.0");
  expect(problemOf({ ...event, time: "yesterday" })).toMatch("time");
  expect(problemOf({ ...event, data: 1, data_base64: "AA==" })).toMatch("both");
  expect(problemOf({ ...event, "my-ext": 1 })).toMatch("my-ext");
});

test("an attribute that is null is not there, but data that is null is", () => {
  const decoded = decodeCloudEvent({ ...event, subject: null, time: null, data: null });
  expect(decoded).toMatchObject({ kind: "valid", value: { time: null, json: { ...event, data: null } } });
});

const body = (text: string): Uint8Array => Buffer.from(text);

test("in binary mode the attributes are headers, decoded, and the data is the body", () => {
  const headers = {
    "ce-id": ["1"],
    "ce-subject": ["%E2%82%AC %zz"],
    "ce-quoted": ['"a \\"b\\""'],
    "ce-datacontenttype": ["image/png"],
    host: ["x", "y"],
  };
  expect(binaryCloudEvent(headers, "application/json", body('{"n":1}'))).toEqual({
    kind: "valid",
    value: {
      id: "1",
      subject: "€ %zz",
      quoted: 'a "b"',
      datacontenttype: "application/json",
      data: { n: 1 },
    },
  });
});

test.each([
  ["application/cloudfoo+json; charset=utf-8", '{"n":1}', { data: { n: 1 } }],
  ["text/plain", "hi", { data: "hi" }],
  ["application/xml", "<a/>", { data: "<a/>" }],
  ["application/octet-stream", "hi", { data_base64: "aGk=" }],
  ["image/png", Uint8Array.of(0xff, 0), { data_base64: "/wA=" }],
  ["application/json", "", {}],
])("data of the type %s", (type, data, expected) => {
  const bytes = typeof data === "string" ? body(data) : data;
  expect(binaryCloudEvent({}, type, bytes)).toEqual({
    kind: "valid",
    value: { datacontenttype: type, ...expected },
  });
});

test.each([
  ["comes twice", { "ce-id": ["1", "2"] }, "more than once"],
  ["is no UTF-8", { "ce-id": ["caf%E9"] }, "not UTF-8"],
  ["is half a character, twice", { "ce-id": ["%E2%82 %AC"] }, "not UTF-8"],
  ["is the data", { "ce-data": ["x"] }, "the data is the body"],
  ["is the data in Base64", { "ce-data_base64": ["eA=="] }, "the data is the body"],
])("an attribute that %s is a problem", (_, headers, problem) => {
  expect(binaryCloudEvent(headers, "application/json", body(""))).toEqual({
    kind: "invalid",
    problem: expect.stringContaining(problem),
  });
});

test("data that is to be JSON and is none is a problem", () => {
  expect(binaryCloudEvent({}, "application/json", body("{"))).toMatchObject({ kind: "invalid" });
});

test("the most specific mapping decides", () => {
  const table = new TriggerTable(
    [
      ["a.all", "*", null],
      ["b.push", "com.github.*", null],
      ["c.push", "com.github.push", null],
      ["d.ours", "com.github.push", "https://github.com/acme/*"],
      ["e.site", "com.github.push", "https://github.com/acme/site"],
      ["f.site", "com.github.push", "https://github.com/acme/site"],
    ].map(([triggerRef = "", type = "", source]) => ({
      triggerRef: triggerRef ?? "",
      mapping: { type: type ?? "", source: source ?? null },
    })),
  );

  expect(table.triggerFor("com.github.push", "https://github.com/acme/site")).toBe("e.site");
  expect(table.triggerFor("com.github.push", "https://github.com/acme/other")).toBe("d.ours");
  expect(table.triggerFor("com.github.push", "/")).toBe("c.push");
  expect(table.triggerFor("com.github.pull", "/")).toBe("b.push");
  expect(table.triggerFor("org.x", "/")).toBe("a.all");
  expect(new TriggerTable([]).triggerFor("org.x", "/")).toBeUndefined();
});

test.each([
  [{}],
  [{ type: "" }],
  [{ type: 7 }],
  [{ type: "a", source: "" }],
  [{ type: "a", sorce: "b" }],
  ["a"],
])("%j is no mapping", (value) => {
  expect(decodeTriggerMapping(value)).toMatchObject({ kind: "invalid" });
});

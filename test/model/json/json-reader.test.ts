import fc from "fast-check";
import { expect, test } from "vitest";
import { valid, type Decoded } from "../../../src/model/json/decoded.ts";
import { JsonReader } from "../../../src/model/json/json-reader.ts";
import { decodeJson, jsonReader } from "../../../src/model/json/json-text.ts";
import type { JsonValue } from "../../../src/model/json/json.ts";

function readAll(text: string, work = 1): Decoded<JsonValue> {
  const reader = new JsonReader(text, { depthMax: 1_000, number: (source) => valid(Number(source)) });
  for (;;) {
    const read = reader.read(work);
    if (read !== undefined) return read;
  }
}

function problemOf(text: string): string {
  const read = readAll(text);
  return read.kind === "invalid" ? read.problem : "nothing";
}

function parsed(text: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

test("any JSON is read as JSON.parse reads it, in pieces of any size", () => {
  const layout = fc.constantFrom(undefined, 2, "\t");
  fc.assert(
    fc.property(fc.jsonValue(), layout, fc.integer({ min: 1, max: 1_000 }), (value, indent, work) => {
      const text = JSON.stringify(value, null, indent);
      const read = readAll(text, work);
      expect(read).toEqual(valid(JSON.parse(text)));
      if (read.kind === "valid") expect(JSON.stringify(read.value)).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

test("a text with a fault is refused exactly when JSON.parse refuses it", () => {
  const piece = fc.constantFrom(
    ..."{}[]\",:\\ \n\t01-+.eEtruefalsnNI'x/".split(""),
    '"a"',
    '{"a":',
    "null",
    "\u0000",
    "\ud800",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    fc.tuple(fc.json({ maxDepth: 3 }), fc.nat(), piece, fc.nat(2)).map(([json, at, insert, cut]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + insert + json.slice(place + cut);
    }),
  );
  fc.assert(
    fc.property(text, (given) => {
      const expected = parsed(given);
      const read = readAll(given);
      expect([given, read.kind]).toEqual([given, expected === undefined ? "invalid" : "valid"]);
      if (read.kind === "valid") expect(JSON.stringify(read.value)).toBe(JSON.stringify(expected));
    }),
    { numRuns: 2_000 },
  );
});

test("keys that mean something to JavaScript are keys like others", () => {
  const text = '{"__proto__":{"x":1},"constructor":2,"2":"b","1":"a"}';
  const read = readAll(text);

  expect(JSON.stringify(read.kind === "valid" && read.value)).toBe(JSON.stringify(JSON.parse(text)));
});

test.for([
  ['{"celsius": NaN}', 'NaN is not a JSON number at position 12, near {"celsius": NaN}'],
  ['{"c": -Infinity}', "-Infinity is not a JSON number at position 6"],
  ['{"ok": True}', "True is Python, not JSON (json.dumps writes JSON), at position 7"],
  ["{'a': 1}", "a key in double quotes is missing at position 1"],
  ["{\"a\": 'x'}", "a single quote where JSON needs a double quote, at position 6"],
  ["{a: 1}", "a key in double quotes is missing at position 1"],
  ['{"a": 1,}', 'a key in double quotes is missing after the last "," at position 8'],
  ["[1,]", 'a value is missing before "]" at position 3'],
  ["[1 2]", 'a "," or "]" is missing at position 3'],
  ['{"a" 1}', 'a ":" is missing after a key at position 5'],
  ['{"a":1}{"b":2}', "there is more text after its end at position 7"],
  ['{"a":"b', "it ends inside a string at position 7"],
  ['{"a":1', 'it ends before its "}" at position 6'],
  ['[{"a":1', "it ends with 2 brackets open at position 7"],
  ["", "it is empty at position 0"],
  ['{"a":"x\ty"}', String.raw`a control character (\u0009) that must be written as an escape at position 7`],
  [String.raw`{"a":"\d"}`, "an invalid escape at position 6"],
  ['{"a": 01}', "unexpected 01 at position 6"],
  ['{"a": 1.}', "unexpected 1. at position 6"],
  ['{"a": undefined}', "unexpected undefined at position 6"],
] as const)("of %s it says why and where it is not JSON", ([text, problem]) => {
  expect(problemOf(text)).toContain(`it is not JSON: ${problem}`);
});

test("the place is shown by what lies around it, on one line", () => {
  const text = `{"payload": {${'"key": "xxxxxxxxxxxxxxxxxxxxxxxxxx",\n'.repeat(40)}"celsius": NaN, "more": "yyyyyyyyyyyyy"}}`;

  expect(problemOf(text)).toBe(
    `it is not JSON: NaN is not a JSON number at position ${text.indexOf("NaN")}, ` +
      'near …xxxxxxxxxx", "celsius": NaN, "more": "yyyyyyyyyy…',
  );
});

test("a reader does no more work at a time than it was given", () => {
  const text = `[${"1,".repeat(100_000)}1]`;
  const reader = jsonReader(text);
  let pieces = 0;
  while (reader.read(10_000) === undefined) pieces += 1;

  // A number and a comma are two tokens.
  expect(pieces).toBeGreaterThan(200);
  expect(pieces).toBeLessThan(400);
});

test("a reader keeps digits and refuses as decodeJson does", () => {
  const texts = [
    "[2882429806056571124, 1.50, 1e400, -0, 0.1]",
    `[${"9".repeat(1_001)}]`,
    "[".repeat(501) + "]".repeat(501),
    "[".repeat(500) + "]".repeat(500),
  ];
  for (const text of texts) {
    expect(jsonReader(text).read(Number.POSITIVE_INFINITY)).toEqual(decodeJson(text));
  }
});

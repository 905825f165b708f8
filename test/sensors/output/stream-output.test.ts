import fc from "fast-check";
import { expect, test } from "vitest";
import { WorkSlices } from "../../../src/concurrency/work-slices.ts";
import type { Line } from "../../../src/processes/lines.ts";
import type { DecodedOutput } from "../../../src/sensors/output/decoded-output.ts";
import { StreamOutput } from "../../../src/sensors/output/stream-output.ts";

const served = { main: "door.opened", all: new Set(["door.opened"]) };

function short(decoded: DecodedOutput): unknown {
  if (decoded.kind === "event") return decoded.event.payload;
  return decoded.kind === "rejected" ? decoded.rejection.reason : decoded.kind;
}

/** What the lines turned out to be, in short and in order. */
async function streamed(lines: string | readonly Line[]): Promise<readonly unknown[]> {
  const stream = new StreamOutput(served);
  const slices = new WorkSlices();
  const told: unknown[] = [];
  for (const line of typeof lines === "string" ? lines.split("\n") : lines) {
    if (stream.canDecode(line)) told.push(short(stream.decode(line)));
    else for (const { decoded } of await stream.decodeAny(line, slices)) told.push(short(decoded));
  }
  return [...told, ...stream.end().map(({ decoded }) => short(decoded))];
}

async function eventsOf(lines: string): Promise<readonly unknown[]> {
  return (await streamed(lines)).filter((each) => typeof each === "object");
}

const overSeveralLines = "JSON over several lines; print one object a line, for example with jq -c";
const part = "a part of JSON over several lines";

test("JSON over several lines is reported as such, and none of its lines becomes an event", async () => {
  expect(await streamed('[\n{"id":1},\n{"id":2},\n{"id":3}\n]\n{"n":1}')).toEqual([
    overSeveralLines,
    part,
    part,
    part,
    part,
    { n: 1 },
  ]);
  expect(await streamed('{\n  "a": {},\n  "b": [\n    {}\n  ]\n}\n{"n":1}')).toEqual([
    overSeveralLines,
    ...Array<string>(5).fill(part),
    { n: 1 },
  ]);
});

test("any JSON, printed in any common layout, gives no event unless it fits one line", async () => {
  const nested = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.jsonValue({ maxDepth: 0 }), tie("object"), tie("array")),
    object: fc.dictionary(fc.string(), tie("value"), { maxKeys: 3 }),
    array: fc.array(tie("value"), { maxLength: 3 }),
  }));
  const layout = fc.constantFrom(
    (value: unknown) => JSON.stringify(value, null, 2),
    (value: unknown) => JSON.stringify(value, null, "\t"),
    // As Python's json.dumps(value, indent=0).
    (value: unknown) => JSON.stringify(value, null, 1).replaceAll(/^ +/gm, ""),
    // As lists of records are printed by many: an element a line.
    (value: unknown) =>
      Array.isArray(value) && value.length > 0
        ? `[\n${value.map((each) => JSON.stringify(each)).join(",\n")}\n]`
        : "[\n]",
    (value: unknown) => JSON.stringify(value, null, 2).replaceAll("\n", "\r\n"),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.oneof(nested.object, nested.array), layout), { maxLength: 4 }),
      async (documents) => {
        const printed = documents.map(([value, print]) => print(value)).filter((text) => text.includes("\n"));
        const output = printed
          .flatMap((text, index) => [text, JSON.stringify({ between: index })])
          .join("\n");

        expect(await eventsOf(output)).toEqual(printed.map((_, index) => ({ between: index })));
      },
    ),
    { numRuns: 500 },
  );
});

test("other layouts over several lines produce no event either", async () => {
  for (const text of [
    "{\n  a: 1,\n  list: [\n    {},\n    {}\n  ]\n}",
    "[{'a': {},\n  'b': 1},\n {}]",
    '{\n  "c": NaN,\n  "d": [\n    {"x": 1}\n  ]\n}',
    "Result: {\n  items: [\n    {}\n  ]\n}",
  ]) {
    expect([text, await eventsOf(`{"n":0}\n${text}\n{"n":1}`)]).toEqual([text, [{ n: 0 }, { n: 1 }]]);
  }
});

test("after a line that was cut off all others are events, in their order", async () => {
  for (const half of [
    '{"n":1',
    '{"n":',
    '{"n":1,',
    "{",
    "[",
    '{"a":{',
    '{"a":[1,',
    '{"n":"a',
    "Loading [",
    "foo,",
  ]) {
    const output = await streamed(`{"n":0}\n${half}\n\n{"n":2}\n{"n":3}\n{"n":4}`);
    expect([half, output.filter((each) => typeof each === "object")]).toEqual([
      half,
      [{ n: 0 }, { n: 2 }, { n: 3 }, { n: 4 }],
    ]);
    expect(output.filter((each) => typeof each === "string" && each !== "nothing").length).toBe(1);
  }
});

test("a cut-off line that ends the output costs nothing else", async () => {
  expect(await streamed('{"n":1}\n[\n{"id":1}')).toEqual([{ n: 1 }, overSeveralLines, part]);
});

test("an object of a trigger that the sensor does not serve is an object all the same", async () => {
  expect(await eventsOf('{"a":1,\n{"trigger_ref":"x","n":1}\n{"n":2}')).toEqual([{ n: 2 }]);
});

test("a line that could not be read neither begins nor ends anything", async () => {
  const unreadable: Line = { kind: "too-long", bytes: 2_000_000, excerpt: `[${"x".repeat(198)}[` };

  expect(await streamed(["{", unreadable, "{}", "}", '{"n":1}', unreadable, '{"n":2}'])).toEqual([
    overSeveralLines,
    part,
    part,
    part,
    { n: 1 },
    "the line of 2000000 bytes is too long (sensor.line_bytes_max)",
    { n: 2 },
  ]);
});

test("an array on one line is refused with advice", async () => {
  expect(await streamed('[{"id":1},{"id":2}]')).toEqual([
    "the line is not a JSON object but an array; print one object a line, for example with jq -c '.[]'",
  ]);
});

test("a long line is read in slices, and means the same", async () => {
  const stream = new StreamOutput(served);
  let pauses = 0;
  const slices = new WorkSlices(async () => void (pauses += 1));
  const line = `{"payload":{"list":[${"{},".repeat(200_000)}2882429806056571124]},"checkpoint":7}`;

  expect(stream.canDecode(line)).toBe(false);
  const [only, ...others] = await stream.decodeAny(line, slices);

  expect(others).toEqual([]);
  expect(only?.decoded).toMatchObject({ kind: "event", event: { checkpoint: 7 } });
  expect(only?.decoded.kind === "event" && JSON.stringify(only.decoded.event.payload)).toBe(
    line.slice(11, -16),
  );
  expect(pauses).toBeGreaterThan(5);
});

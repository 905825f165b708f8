import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sliceWork, WorkSlices } from "../../../src/concurrency/work-slices.ts";
import { readPollOutput } from "../../../src/sensors/output/poll-output.ts";
import { PrintedBytes } from "../../../src/sensors/output/printed-bytes.ts";

const served = { main: "door.opened", all: new Set(["door.opened", "door.closed"]) };

interface Bounds {
  readonly eventsMax?: number;
  readonly eventBytesMax?: number;
  readonly chunkBytes?: number;
  readonly slices?: WorkSlices;
}

/** What a run printed, each piece in short: an event's payload, a checkpoint or a reason. */
async function polled(
  output: string | Buffer,
  {
    eventsMax = 1_000,
    eventBytesMax = 1_000_000,
    chunkBytes = 1_000,
    slices = new WorkSlices(() => Promise.resolve()),
  }: Bounds = {},
): Promise<unknown> {
  const printed = new PrintedBytes();
  const bytes = Buffer.from(output);
  for (let from = 0; from < bytes.length; from += chunkBytes)
    printed.append(bytes.subarray(from, from + chunkBytes));
  const pieces = await readPollOutput(printed, { served, slices, eventsMax, eventBytesMax });
  if (pieces === undefined) return "too many events";
  const short: unknown[] = [];
  for await (const { decoded } of pieces) {
    switch (decoded.kind) {
      case "event": {
        const { payload, checkpoint } = decoded.event;
        short.push(checkpoint === undefined ? payload : { payload, checkpoint });
        break;
      }
      case "checkpoint":
        short.push({ moves: decoded.checkpoint });
        break;
      case "rejected": {
        const { reason, lines } = decoded.rejection;
        short.push(lines === 1 ? reason : `${lines} × ${reason}`);
        break;
      }
      case "nothing":
        short.push("nothing");
    }
  }
  return short;
}

const notJson = expect.stringMatching(/it is not JSON: /) as unknown;

describe("the output of a poll run", () => {
  test("a page's events may be payloads or envelopes, and its checkpoint comes after all of them", async () => {
    const events = [
      { n: 1 },
      { trigger_ref: "door.closed", payload: { n: 2 }, checkpoint: 2 },
      "three",
      null,
    ];

    expect(await polled(JSON.stringify({ events, checkpoint: "here" }, null, 2))).toEqual([
      { n: 1 },
      { payload: { n: 2 }, checkpoint: 2 },
      { value: "three" },
      { payload: { value: null }, checkpoint: "here" },
    ]);
    expect(await polled('{"events": [{"payload": {}, "checkpoint": 1}], "checkpoint": 2}')).toEqual([
      { payload: {}, checkpoint: 2 },
    ]);
    expect(
      await polled('{"checkpoint": 2, "events": [{"n": 1}, {"trigger_ref": "other.one", "checkpoint": 1}]}'),
    ).toEqual([
      { n: 1 },
      "the sensor does not serve the trigger other.one; it serves door.opened, door.closed",
      { moves: 2 },
    ]);
  });

  test("a page without events moves its checkpoint", async () => {
    expect(await polled('{"events": [], "checkpoint": 5}')).toEqual([{ moves: 5 }]);
    expect(await polled('{"events": null, "checkpoint": 5}')).toEqual([{ moves: 5 }]);
    expect(await polled('{"checkpoint": 5}')).toEqual([{ moves: 5 }]);
    expect(await polled('{"events": [{"checkpoint": 4}], "checkpoint": 5}')).toEqual([
      { moves: 4 },
      { moves: 5 },
    ]);
    expect(await polled('{"events": [{"n": 1}], "checkpoint": null}')).toEqual([{ n: 1 }]);
  });

  test("an object with events beside other keys is an event itself", async () => {
    for (const value of [
      { events: [{ n: 1 }], next: "page 2" },
      { next: "page 2", events: [{ n: 1 }] },
      { events: [], total: 0, checkpoint: 5 },
      { events: "none", checkpoint: 5 },
      { events: { n: 1 } },
      { a: { events: [1] }, b: [{ events: [1] }] },
    ]) {
      expect(await polled(JSON.stringify(value))).toEqual([value]);
      expect(await polled(JSON.stringify(value, null, 2))).toEqual([value]);
    }
  });

  test("an array is a list of events, laid out in any way", async () => {
    expect(await polled('[{"id":1},{"payload":{"id":2},"checkpoint":2}]')).toEqual([
      { id: 1 },
      { payload: { id: 2 }, checkpoint: 2 },
    ]);
    expect(await polled('[\n{"id":1},\n{"id":2},\n{"id":3}\n]\n')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    expect(await polled(JSON.stringify([{ id: 1 }, 2, [3, [4]], "]"], null, 2))).toEqual([
      { id: 1 },
      { value: 2 },
      { value: [3, [4]] },
      { value: "]" },
    ]);
    expect(await polled("[]")).toEqual([]);
    expect(await polled("[ \n ]")).toEqual([]);
  });

  test("documents follow each other on one line, on several, and between record separators", async () => {
    expect(await polled('{"n":1}{"n":2} {"n":3}\n\n[4]{"events":[5]}')).toEqual([
      { n: 1 },
      { n: 2 },
      { n: 3 },
      { value: 4 },
      { value: 5 },
    ]);
    expect(await polled('{\n  "n": 1\n}\n{\n  "n": 2\n}{\n  "n": 3\n}\n')).toEqual([
      { n: 1 },
      { n: 2 },
      { n: 3 },
    ]);
    expect(await polled('\u001e{"n":1}\n\u001e{"n":2}\n')).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await polled('\ufeff{"n":1}\r\n{"n":2}\r\n')).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await polled('  {"n":1}\n  {"n":2}\n')).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("a run may print nothing", async () => {
    for (const output of ["", "\n\n", " \t", '{"events": []}', '{"events": null}']) {
      expect(await polled(output)).toEqual([]);
    }
  });

  test("numbers keep their digits, and keys and events their escapes", async () => {
    const printed = new PrintedBytes();
    printed.append(Buffer.from(String.raw`{"\u0065vents": [{"n": 2882429806056571124, "x": 1.50}]}`));
    const pieces = await readPollOutput(printed, {
      served,
      slices: new WorkSlices(),
      eventsMax: 10,
      eventBytesMax: 1_000,
    });

    const texts: string[] = [];
    for await (const { decoded } of pieces ?? [])
      if (decoded.kind === "event") texts.push(JSON.stringify(decoded.event.payload));
    expect(texts).toEqual(['{"n":2882429806056571124,"x":1.50}']);
  });
});

describe("output that is not an event", () => {
  test("an entry that is not JSON is rejected alone, and the page's checkpoint moves", async () => {
    expect(await polled('{"events": [{"n": 1}, {"c": NaN}, {"n": 3}], "checkpoint": 5}')).toEqual([
      { n: 1 },
      expect.stringMatching(/^entry 2 of its list: it is not JSON: NaN is not a JSON number at position 6/),
      { payload: { n: 3 }, checkpoint: 5 },
    ]);
    expect(await polled('{"events": [{"n": 1}, {"c": NaN}], "checkpoint": 5}')).toEqual([
      { n: 1 },
      notJson,
      { moves: 5 },
    ]);
    expect(await polled("[1,,2,]")).toEqual([{ value: 1 }, notJson, { value: 2 }, notJson]);
    expect(await polled(`[${"[".repeat(600)}${"]".repeat(600)}, 2]`)).toEqual([
      "entry 1 of its list: it is nested more than 500 levels deep",
      { value: 2 },
    ]);
  });

  test("a page whose checkpoint is not JSON is rejected whole", async () => {
    expect(await polled('{"events": [{"n": 1}, 2], "checkpoint": NaN}\n{"n": 2}')).toEqual([
      expect.stringMatching(/^none of its events counts, because its checkpoint is unusable: it is not JSON/),
      { n: 2 },
    ]);
  });

  test("a page whose checkpoint the database cannot hold is rejected whole, and not only its last event", async () => {
    for (const checkpoint of [String.raw`"a\u0000"`, String.raw`{"\ud800": 1}`, String.raw`["\\\udfff"]`]) {
      expect(await polled(`{"events": [{"n": 1}, 2], "checkpoint": ${checkpoint}}`)).toEqual([
        expect.stringMatching(/^none of its events counts, because its checkpoint is unusable: it contains/),
      ]);
    }
    for (const checkpoint of [String.raw`"\\u0000"`, String.raw`"\ud83d\ude00"`, '"\\\\ud800"']) {
      expect(await polled(`{"events": [], "checkpoint": ${checkpoint}}`)).toEqual([
        { moves: JSON.parse(checkpoint) as unknown },
      ]);
    }
  });

  test("lines are decoded one by one; one that is no event does not spoil the others", async () => {
    expect(await polled('{"n": 1}\noops\n{"events": [{"n": 2}]}\n42\n"x"\n')).toEqual([
      { n: 1 },
      { n: 2 },
      notJson,
      "it is not a JSON object",
      "it is not a JSON object",
    ]);
  });

  test("a line with something else behind its JSON is rejected whole", async () => {
    expect(await polled('{"n": 1} took 5 ms\n{"n": 2}\n')).toEqual([{ n: 2 }, notJson]);
    expect(await polled('INFO {"n": 1}\n{"n": 2}\n')).toEqual([{ n: 2 }, notJson]);
    expect(await polled('{"n": 1},\n{"n": 2},\n{"n": 3}\n')).toEqual([
      expect.stringMatching(/^3 × it is not JSON/),
    ]);
    expect(await polled('{"n": 1}{"n":\n{"n": 2}\n{"n": 3}')).toEqual([
      { n: 1 },
      { n: 2 },
      { n: 3 },
      notJson,
    ]);
  });

  test("half a line costs itself alone", async () => {
    for (const half of [
      '{"n":1',
      '{"n":',
      "{",
      '{"n":"a',
      '[{"n":1}',
      "[",
      '{"a": [1, 2,',
      '{"a": {"b": 1,',
    ]) {
      expect([half, await polled(`{"n":0}\n${half}\n{"n":2}\n{"n":3}\n`)]).toEqual([
        half,
        [{ n: 0 }, { n: 2 }, { n: 3 }, notJson],
      ]);
    }
  });

  test("no part of a broken document becomes an event", async () => {
    const broken = [
      '{\n  "a": [\n    {},\n    {"x": 1}\n    {"x": 2}\n  ],\n  "b": {}\n}',
      "{\n  'a': [\n    {}\n  ],\n  'b': {}\n}",
      "{\n  a: 1,\n  list: [\n    {},\n    {}\n  ]\n}",
      'result = [\n  {"id": 1},\n  {"id": 2}\n]',
      'result = [\n{"id": 1},\n{"id": 2}\n]',
      'result = {\n"a": [\n{}\n]\n}',
      "Map(2) {\n  'a' => [\n    {}\n  ]\n}",
    ];
    for (const text of broken) {
      const output = (await polled(`{"n":0}\n${text}\n{"n":1}\n`)) as unknown[];
      expect([text, output.filter((piece) => typeof piece === "object")]).toEqual([
        text,
        [{ n: 0 }, { n: 1 }],
      ]);
      expect(output.length).toBeGreaterThan(2);
    }
    expect(await polled('{"n":0}\n[\n  {"id": 1},\n  {"id": 2}\n')).toEqual([{ n: 0 }, notJson]);
  });

  test("bytes that are not UTF-8 cost their entry or document alone", async () => {
    const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

    expect(await polled(bytes('{"a":"\u00ff"}\n[{"n":1},"\u00ff"]'))).toEqual([
      "it is not UTF-8",
      { n: 1 },
      "entry 2 of its list: it is not UTF-8",
    ]);
    expect(await polled(Buffer.from([0x7b, 0xff, 0x7d]))).toEqual(["it is not UTF-8"]);
  });

  test("of many lines that are no event the first are explained, and the others counted", async () => {
    const output = (await polled(`${"x\n".repeat(5_000)}{"n":1}\n`)) as unknown[];

    expect(output.length).toBe(21);
    expect(output.at(-1)).toMatch(/^4981 × it is not JSON/);
  });
});

describe("bounds", () => {
  test("a run with more events than allowed is refused whole", async () => {
    for (const output of [
      "[1,1,1,1]",
      '{"events":[1,1,1,1]}',
      '{"n":1}\n'.repeat(4),
      "{}{}{}{}",
      "[1,2]\n[3,4]",
    ]) {
      expect([output, await polled(output, { eventsMax: 3 })]).toEqual([output, "too many events"]);
      expect(await polled(output, { eventsMax: 4 })).toHaveLength(4);
    }
    expect(await polled('{"events":[1,1,1,1],"other":1}', { eventsMax: 3 })).toHaveLength(1);
  });

  test("an event above its bound is refused alone", async () => {
    const long = JSON.stringify({ text: "x".repeat(1_000) });

    expect(
      await polled(`${long}\n{"n":1}\n{"events":[${long},2],"checkpoint":1}`, { eventBytesMax: 1_000 }),
    ).toEqual([
      "it has 1011 bytes, and sensor.line_bytes_max is 1000",
      { n: 1 },
      "entry 1 of its list: it has 1011 bytes, and sensor.line_bytes_max is 1000",
      { payload: { value: 2 }, checkpoint: 1 },
    ]);
  });

  test("the result is the same for chunks of any size", async () => {
    const document = fc.oneof(
      fc.json({ maxDepth: 2 }).map((json) => `{"a":${json}}`),
      fc
        .array(fc.jsonValue({ maxDepth: 1 }))
        .map((events) => JSON.stringify({ events, checkpoint: 1 }, null, 1)),
      fc.constantFrom("oops", "{", "[1,2", "}", "42", '{"events":[1,NaN]}', "[]", "  "),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(document, { maxLength: 8 }),
        fc.constantFrom("\n", "\r\n", "\n\n"),
        fc.integer({ min: 1, max: 50 }),
        async (documents, separator, chunkBytes) => {
          const output = documents.join(separator);
          expect(await polled(output, { chunkBytes })).toEqual(await polled(output, { chunkBytes: 10_000 }));
        },
      ),
    );
  });

  test("any documents come out as they went in, one after the other", async () => {
    const value = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1 });
    const layout = fc.constantFrom(undefined, 2, "\t");
    const separator = fc.constantFrom("\n", "", " ", "\r\n", "\n\n");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, layout, separator)), async (documents) => {
        const output = documents.map(
          ([each, indent, behind]) => JSON.stringify({ ...each, x: 1 }, null, indent) + behind,
        );
        expect(JSON.stringify(await polled(output.join("")))).toBe(
          JSON.stringify(documents.map(([each]) => JSON.parse(JSON.stringify({ ...each, x: 1 })) as unknown)),
        );
      }),
    );
  });

  // Goal: no output, however large, is worked on for long without a pause.
  // Method: count the pauses and the work between two looks at whether it is time for one, and measure what the
  // processor does between two pauses.
  test.for([
    ["a long list", `[${"1,".repeat(400_000)}1]`],
    ["a list of small objects", `[${"{},".repeat(200_000)}{}]`],
    ["many documents", '{"n":1}\n'.repeat(90_000)],
    ["lines that are no JSON", "x\n".repeat(400_000)],
    ["half lines", '{"n":\n'.repeat(100_000)],
    ["brackets", "[".repeat(800_000)],
    ["blanks", "\n".repeat(800_000)],
    ["one long event", `{"a":[${"{},".repeat(200_000)}{}]}`],
  ] as const)("%s is read in slices", async ([, output]) => {
    let pauses = 0;
    let workMax = 0;
    let sliceMsMax = 0;
    let before = process.threadCpuUsage();
    class WatchedSlices extends WorkSlices {
      override spend(work: number): Promise<unknown> | undefined {
        workMax = Math.max(workMax, work);
        return super.spend(work);
      }
    }
    const slices = new WatchedSlices(async () => {
      pauses += 1;
      const { user, system } = process.threadCpuUsage(before);
      sliceMsMax = Math.max(sliceMsMax, (user + system) / 1_000);
      before = process.threadCpuUsage();
    });

    await polled(output, { eventsMax: 1_000_000, eventBytesMax: 1_000_000, chunkBytes: 65_536, slices });

    expect(workMax).toBeLessThanOrEqual(64 * 1_024);
    expect(pauses).toBeGreaterThanOrEqual(Math.floor(output.length / sliceWork));
    expect(sliceMsMax).toBeLessThan(50);
  });
});

import { PassThrough, Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter, linesOf, type Line } from "../../src/processes/lines.ts";
import { processorMs } from "../support/processor-time.ts";

function split(chunks: readonly Buffer[], lineBytesMax: number): Line[] {
  const splitter = new LineSplitter(lineBytesMax);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [0, ...at.map((n) => n % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

// Goal: where the kernel cuts the stream into chunks does not matter.
// Method: cut arbitrary text anywhere, also within a character, and compare with splitting it whole.
test("lines are the same however the stream is cut", () => {
  const text = fc.array(fc.oneof(fc.string({ unit: "grapheme" }), fc.constant("\n")), { maxLength: 20 });

  fc.assert(
    fc.property(text, fc.array(fc.nat()), (parts, cuts) => {
      const whole = parts.join("");
      const expected = whole.split("\n");
      if (expected.at(-1) === "") expected.pop();

      expect(split(cut(Buffer.from(whole), cuts), 1 << 20)).toEqual(expected);
    }),
  );
});

// Goal: of any bytes, every line is either given as text or reported, with its true length.
// Method: arbitrary bytes and a small limit, against the plainest splitter.
test("a line too long or not UTF-8 is reported with its length and does not disturb its neighbours", () => {
  const someBytes = fc.array(fc.oneof(fc.constantFrom(0x0a, 0x61, 0xc3, 0xa9), fc.nat(255)), {
    maxLength: 60,
  });

  fc.assert(
    fc.property(
      someBytes,
      fc.array(fc.nat()),
      fc.integer({ min: 1, max: 12 }),
      (bytes, cuts, lineBytesMax) => {
        const expected: unknown[] = Buffer.from(bytes)
          .toString("latin1")
          .split("\n")
          .map((line) => Buffer.from(line, "latin1"))
          .map((line) => {
            if (line.length > lineBytesMax) return { kind: "too-long", bytes: line.length };
            const text = line.toString("utf8");
            return Buffer.from(text).equals(line) ? text : { kind: "not-utf8", bytes: line.length };
          });
        if (bytes.length === 0 || bytes.at(-1) === 0x0a) expected.pop();

        const lines = split(cut(Buffer.from(bytes), cuts), lineBytesMax);

        expect(
          lines.map((line) => (typeof line === "string" ? line : { kind: line.kind, bytes: line.bytes })),
        ).toEqual(expected);
      },
    ),
  );
});

// Goal: neither the chunks are kept, nor copies of them.
// Method: ask for each chunk, and count the bytes of all buffers before and after.
test("10 MB without a newline are skipped in bounded memory and reported with their beginning", async () => {
  const splitter = new LineSplitter(1 << 20);
  const chunkBytes = 64 * 1024;
  const chunks: WeakRef<ArrayBufferLike>[] = [];
  const bytesBefore = bufferBytes();

  for (let pushed = 0; pushed < 160; pushed += 1) {
    const chunk = Buffer.alloc(chunkBytes, "x");
    chunks.push(new WeakRef(chunk.buffer));
    expect(splitter.push(chunk)).toEqual([]);
  }
  await nextTurn(); // What a WeakRef was made of lives until the turn ends.
  const bytesAfter = bufferBytes();

  // The last one may still be known to the loop above.
  expect(chunks.filter((chunk) => chunk.deref() !== undefined).length).toBeLessThanOrEqual(1);
  // A line of 1 MB may be held; the limit lies far from that and from all 10.
  expect(bytesAfter - bytesBefore).toBeLessThan((160 * chunkBytes) / 2);
  const lines = splitter.push(Buffer.from("\nnext\n"));
  expect(lines).toEqual([{ kind: "too-long", bytes: 160 * chunkBytes, excerpt: "x".repeat(200) }, "next"]);
});

/** The bytes of all buffers in use: the second collection waits until those that the first found are freed. */
function bufferBytes(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

test("a destroyed stream ends the lines and leaves out an unfinished one", async () => {
  const stream = new PassThrough();
  stream.write("whole\nunfini");
  const lines: Line[] = [];

  for await (const batch of linesOf(stream, 100)) {
    lines.push(...batch);
    stream.destroy();
  }

  expect(lines).toEqual(["whole"]);
});

test("the last line counts without a newline", async () => {
  const batches = await Array.fromAsync(linesOf(Readable.from([Buffer.from("a\nb")]), 100));

  expect(batches.flat()).toEqual(["a", "b"]);
});

test("300,000 lines a second are no effort", () => {
  const line = `${JSON.stringify({ payload: { text: "x".repeat(180) } })}\n`;
  const chunk = Buffer.from(line.repeat(300));
  const splitter = new LineSplitter(1 << 20);

  let lines = 0;
  const tookMs = processorMs(() => {
    for (let pushed = 0; pushed < 1_000; pushed += 1) lines += splitter.push(chunk).length;
  });

  // A floor far below what it does, so that a slow machine does not fail the test.
  expect(lines).toBe(300_000);
  expect(tookMs).toBeLessThan(1_000);
});

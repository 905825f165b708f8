import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { heapFlags } from "../../build/packing/heap-flags.ts";

const mebibyte = 2 ** 20;

interface HeapSizes {
  readonly before: number;
  readonly after: number;
  readonly used: number;
}

async function sizesAfterReading(megabytes: number): Promise<HeapSizes> {
  const program = join(import.meta.dirname, "../fixtures/small-heap.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [...heapFlags, program, String(megabytes)]);
  return JSON.parse(stdout);
}

test("what reading many rules has left is given back, down to what is in use", async () => {
  const { before, after, used } = await sizesAfterReading(300);
  expect(before).toBeGreaterThan(96 * mebibyte);
  expect(after - used).toBeLessThan(6 * mebibyte);
  expect(after).toBeLessThan(before * 0.8);
});

test("a small heap is left as it is", async () => {
  const { before, after } = await sizesAfterReading(1);
  expect(before).toBeLessThan(96 * mebibyte);
  expect(after).toBe(before);
});

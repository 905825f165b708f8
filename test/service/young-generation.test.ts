import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { heapFlags } from "../../build/packing/heap-flags.ts";
import {
  noPressure,
  pressureAfter,
  YoungGeneration,
  type Pressure,
} from "../../src/service/young-generation.ts";
import { fakeClock } from "../support/fake-clock.ts";

function startGeneration() {
  const clock = fakeClock();
  const generation = new YoungGeneration(clock);
  const ending = new AbortController();
  const run = generation.run(ending.signal);
  return {
    clock,
    generation,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await run;
    },
  };
}

// Goal: one busy moment changes nothing, lasting pressure does, and the size does not change to and fro.
// Method: any sequence of looks; the size changes only where the last two, or 120, all spoke for the other one.
test("the size follows only what lasts", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 140 }), { maxLength: 12 }), (lengths) => {
      // Runs of looks with and without waiting, in turn.
      const looks = lengths.flatMap((length, n) => Array.from({ length }, () => n % 2 === 0));
      let pressure: Pressure = noPressure;
      for (const [n, hasWaited] of looks.entries()) {
        const after = pressureAfter(pressure, hasWaited);
        const needed = pressure.size === "small" ? 2 : 120;
        const last = looks.slice(Math.max(0, n + 1 - needed), n + 1);
        const speaksForOther = (waited: boolean): boolean => waited === (pressure.size === "small");
        const mustChange = last.length === needed && last.every(speaksForOther);
        expect(after.size !== pressure.size).toBe(mustChange);
        pressure = after;
      }
    }),
  );
});

test("while no sensor waits, nothing runs", async () => {
  await using started = startGeneration();
  await started.clock.advance(3_600_000);
  expect(started.clock.sleeperCount()).toBe(0);

  started.generation.noteWaiting();
  await started.clock.advance(0);
  expect(started.clock.sleeperCount()).toBe(1);
  await started.clock.advance(1_000);
  expect([started.clock.sleeperCount(), started.generation.size]).toEqual([0, "small"]);
});

test("it is large from half a second of waiting on, and small again half a minute after its end", async () => {
  await using started = startGeneration();
  const wait = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      started.generation.noteWaiting();
      await started.clock.advance(100);
    }
  };
  const { generation } = started;
  await wait(400);
  expect(generation.size).toBe("small");
  await wait(10_000);
  expect(generation.size).toBe("large");
  await started.clock.advance(29_000);
  expect(generation.size).toBe("large");
  await started.clock.advance(2_000);
  expect(generation.size).toBe("small");
  expect(started.clock.sleeperCount()).toBe(0);
});

// Goal: the flags mean to this Node's V8 what they are said to mean.
// Method: a program with the agent's flags keeps enough objects in use that V8 would grow, first without and then with
// sensors that wait.
test("V8 keeps it at 4 MiB, and lets it grow to 16 MiB while sensors wait", async () => {
  const program = join(import.meta.dirname, "../fixtures/young-generation.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [...heapFlags, program]);
  const { calm, pressed }: { calm: number; pressed: number } = JSON.parse(stdout);
  const mebibyte = 2 ** 20;
  expect(calm).toBeGreaterThan(2 * mebibyte);
  expect(calm).toBeLessThanOrEqual(4 * mebibyte);
  expect(pressed).toBeGreaterThan(8 * mebibyte);
});

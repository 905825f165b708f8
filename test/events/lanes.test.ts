import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry, EventEntry } from "../../src/events/entries.ts";
import { Lanes } from "../../src/events/lanes.ts";
import { troubleAfter, type Trouble } from "../../src/events/trouble.ts";
import type { EventSource } from "../../src/model/sensors/incoming-event.ts";
import { eventEntry } from "../support/event-entry.ts";
import { heapUsed } from "../support/heap-used.ts";

const bounds = { rowsMax: 8, bytesMax: 1_000 };
const time = { nowMs: 0, storedAtMs: Number.NEGATIVE_INFINITY, random: 0 };
const fine = { left: [], failed: [], refused: [], error: undefined };

function source(sensor: number): EventSource {
  return { sensorId: `${sensor}`, sensorRef: `s${sensor}`, sensorConfig: {}, term: null };
}

function entry(sensor: number, n: number, characters = 10): EventEntry {
  const event = eventEntry(`${n}`, { source: source(sensor) });
  return { ...event, payloadJson: "x".repeat(characters) };
}

function fill(lanes: Lanes, counts: readonly number[]): void {
  for (const [sensor, count] of counts.entries())
    for (let n = 1; n <= count; n += 1) lanes.add(entry(sensor + 1, n));
}

/** As `sensor/n`. */
function names(entries: readonly Entry[] | undefined): readonly string[] | undefined {
  return entries?.map(({ source: of, id }) => `${of?.sensorId}/${id}`);
}

describe("a batch of lanes without trouble", () => {
  test("gives each an equal share, and what some leave to the others", () => {
    const lanes = new Lanes(bounds);
    fill(lanes, [20, 1, 3]);

    expect(names(lanes.takeTogether())).toEqual(["1/1", "1/2", "1/3", "1/4", "1/5", "2/1", "3/1", "3/2"]);
    expect(lanes.length).toBe(16);
  });

  test("leaves out lanes that are in another one", () => {
    const lanes = new Lanes(bounds);
    fill(lanes, [20]);
    const first = lanes.takeTogether() ?? [];
    lanes.add(entry(2, 1));

    expect(names(lanes.takeTogether())).toEqual(["2/1"]);
    expect(lanes.takeTogether()).toBeUndefined();
    lanes.finish(first, fine, time);
    expect(names(lanes.takeTogether())?.[0]).toBe("1/9");
  });

  test("is bounded in bytes, but for a single entry", () => {
    const lanes = new Lanes(bounds);
    for (const n of [1, 2, 3]) lanes.add(entry(1, n, 400));
    lanes.add(entry(2, 1, 2_000));

    const first = lanes.takeTogether() ?? [];
    expect(names(first)).toEqual(["1/1", "1/2"]);
    lanes.finish(first, fine, time);
    const second = lanes.takeTogether() ?? [];
    expect(names(second)).toEqual(["2/1"]);
  });

  test("gives each an equal share of the bytes, too", () => {
    const lanes = new Lanes(bounds);
    for (const n of [1, 2, 3]) lanes.add(entry(1, n, 300));
    for (const n of [1, 2, 3]) lanes.add(entry(2, n, 100));

    expect(names(lanes.takeTogether())).toEqual(["1/1", "1/2", "2/1", "2/2", "2/3"]);
  });

  // Goal: no lane starves, whatever the others contain.
  test("takes from every lane within as many batches as it takes to give each a turn", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 30 }), (counts) => {
        const lanes = new Lanes(bounds);
        fill(lanes, counts);
        const seen = new Set<string>();
        for (let batch = 0; batch < Math.ceil(counts.length / bounds.rowsMax); batch += 1) {
          const taken = lanes.takeTogether() ?? [];
          for (const { source: of } of taken) seen.add(of?.sensorId ?? "");
          lanes.finish(taken, fine, time);
        }
        expect(seen.size).toBe(counts.length);
      }),
    );
  });
});

describe("a batch that failed", () => {
  test("comes apart by lane, and each is tried alone, in order", () => {
    const lanes = new Lanes(bounds);
    fill(lanes, [2, 2]);
    const batch = lanes.takeTogether() ?? [];

    lanes.finish(batch, { ...fine, left: batch, failed: batch }, time);

    expect(lanes.takeTogether()).toBeUndefined();
    const first = lanes.takeAlone(0) ?? [];
    const second = lanes.takeAlone(0) ?? [];
    expect([names(first), names(second)]).toEqual([
      ["1/1", "1/2"],
      ["2/1", "2/2"],
    ]);
    lanes.finish(first, fine, time);
    lanes.add(entry(1, 3));
    expect(names(lanes.takeTogether())).toEqual(["1/3"]);
  });

  test("of one lane is halved down to an entry that rests, and the lane grows again with success", () => {
    const lanes = new Lanes(bounds);
    fill(lanes, [8]);
    const sizes: number[] = [];
    let batch = lanes.takeTogether();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const tried = batch ?? [];
      sizes.push(tried.length);
      lanes.finish(tried, { ...fine, left: tried, failed: tried }, time);
      batch = lanes.takeAlone(0);
    }
    expect(sizes).toEqual([8, 4, 2, 1]);
    expect(batch).toBeUndefined();
    const dueMs = lanes.nextDueMs() ?? 0;
    expect(dueMs).toBeGreaterThan(0);
    expect(lanes.takeAlone(dueMs - 1)).toBeUndefined();

    const grown: (number | undefined)[] = [];
    for (batch = lanes.takeAlone(dueMs); batch !== undefined; batch = lanes.takeAlone(dueMs)) {
      grown.push(batch.length);
      lanes.finish(batch, fine, time);
    }
    expect(grown).toEqual([1, 2, 4]);
    expect(names(lanes.takeTogether())).toEqual(["1/8"]);
  });

  test("leaves lanes of its later statements as they were", () => {
    const lanes = new Lanes(bounds);
    fill(lanes, [2, 2]);
    const batch = lanes.takeTogether() ?? [];

    lanes.finish(batch, { ...fine, left: batch, failed: batch.slice(0, 2) }, time);

    expect(names(lanes.takeTogether())).toEqual(["2/1", "2/2"]);
    expect(names(lanes.takeAlone(0))).toEqual(["1/1"]);
  });
});

test("what was withdrawn while it was in a batch does not come back", () => {
  const lanes = new Lanes(bounds);
  fill(lanes, [2]);
  const batch = lanes.takeTogether() ?? [];
  const [withdrawn] = batch;
  if (withdrawn !== undefined) withdrawn.isWithdrawn = true;

  lanes.finish(batch, { ...fine, left: batch }, time);

  expect(lanes.length).toBe(1);
  expect(names(lanes.takeTogether())).toEqual(["1/2"]);
});

test("sources that have nothing more leave nothing behind", () => {
  const sources = 20_000;
  const lanes = new Lanes(bounds);
  const before = heapUsed();
  for (let sensor = 0; sensor < sources; sensor += 2) {
    lanes.add(entry(sensor, 1));
    lanes.finish(lanes.takeTogether() ?? [], fine, time);
    const withdrawn = entry(sensor + 1, 1);
    lanes.add(withdrawn);
    lanes.remove(withdrawn);
  }

  expect((heapUsed() - before) / sources).toBeLessThan(20);
  // Keeps it from being collected before.
  expect(lanes.length).toBe(0);
});

// Goal: whatever ends its batches have, a lane's entries leave it in order, each once.
test("entries leave in order, each once", () => {
  const end = fc.constantFrom("stored", "failed", "refused");
  fc.assert(
    fc.property(fc.array(end, { maxLength: 40 }), fc.integer({ min: 1, max: 40 }), (ends, count) => {
      const lanes = new Lanes(bounds);
      fill(lanes, [count, count]);
      const left: Record<string, number[]> = { 1: [], 2: [] };
      let nowMs = 0;
      for (const kind of [...ends, ...Array.from({ length: 200 }, () => "stored")]) {
        nowMs += 60_000;
        const batch = lanes.takeTogether() ?? lanes.takeAlone(nowMs);
        if (batch === undefined) break;
        const isFailed = kind === "failed";
        if (!isFailed) for (const each of batch) left[each.source?.sensorId ?? ""]?.push(Number(each.id));
        const refused = kind === "refused" ? batch : [];
        const [back, failed] = isFailed ? [batch, batch] : [[], []];
        lanes.finish(batch, { left: back, failed, refused, error: undefined }, { ...time, nowMs });
      }
      const all = Array.from({ length: count }, (_, n) => n + 1);
      expect(left).toEqual({ 1: all, 2: all });
    }),
  );
});

/** The rests of an entry that fails each time it is tried. */
function restsMs(storedAtMs: (nowMs: number) => number): readonly number[] {
  const rests: number[] = [];
  let nowMs = 1;
  let trouble: Trouble | undefined;
  for (let n = 0; n < 10; n += 1) {
    const facts = { rowsMax: 8, nowMs, storedAtMs: storedAtMs(nowMs), random: 0 };
    trouble = troubleAfter(trouble, { kind: "failed", entries: 1 }, facts);
    rests.push((trouble?.notBeforeMs ?? 0) - nowMs);
    nowMs = trouble?.notBeforeMs ?? 0;
  }
  return rests;
}

test("an entry alone that fails again and again rests ever longer, up to half a minute", () => {
  const rests = restsMs((nowMs) => nowMs - 0.5);

  expect(rests).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
});

test("while nothing else is stored either, it is tried again soon, as the database may be back", () => {
  const rests = restsMs(() => 0);

  expect(rests.slice(0, 4)).toEqual([500, 1_000, 2_000, 2_000]);
  expect(Math.max(...rests)).toBe(2_000);
});

import { expect, test } from "vitest";
import { EventSample } from "../../src/live/event-sample.ts";

function note(sample: EventSample, triggerRef: string, ids: readonly number[]): void {
  for (const id of ids) {
    sample.note({ id: String(id), atMs: id, triggerRef, sensorRef: null, payload: { n: id } });
  }
}

const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

test("of very many events the newest are kept, the oldest first", () => {
  const sample = new EventSample();

  note(sample, "p.flood", range(1, 10_007));

  expect(sample.entries().map(({ id }) => Number(id))).toEqual(range(9_988, 20));
  expect(sample.entries().at(-1)?.excerpt).toBe("n: 10007");
});

test("a rare trigger is seen beside a busy one", () => {
  const sample = new EventSample();
  note(sample, "p.rare", [1]);
  note(sample, "p.flood", range(2, 10_000));
  note(sample, "p.seldom", [20_001, 20_002]);

  const ids = sample.entries().map(({ id }) => Number(id));

  expect(ids).toEqual([1, ...range(9_985, 17), 20_001, 20_002]);
});

test("however many triggers there are, there are no more entries than fit", () => {
  const sample = new EventSample();
  for (const trigger of range(0, 5_000)) note(sample, `p.t${trigger}`, range(trigger * 100, 30));

  const entries = sample.entries();

  expect(entries).toHaveLength(20);
  expect(new Set(entries.map(({ triggerRef }) => triggerRef)).size).toBe(20);
});

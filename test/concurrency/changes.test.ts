import { expect, test } from "vitest";
import { Changes } from "../../src/concurrency/changes.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { heapUsed } from "../support/heap-used.ts";

test("a change wakes every waiter once", async () => {
  const changes = new Changes();
  const woken: string[] = [];
  const waiting = ["one", "other"].map(async (name) => {
    await changes.next();
    woken.push(name);
  });

  changes.note();
  await Promise.all(waiting);

  expect(woken).toEqual(["one", "other"]);
});

test("a wait that begins after a change waits for the next one", async () => {
  const changes = new Changes();
  changes.note();
  let isWoken = false;
  const waiting = changes.next().then(() => (isWoken = true));

  await new Promise(setImmediate);
  expect(isWoken).toBe(false);

  changes.note();
  await waiting;
});

test("a state that changes while its waiter wakes is checked again", async () => {
  const changes = new Changes();
  const added: number[] = [];
  const untilThree = (async () => {
    while (added.length < 3) await changes.next();
  })();

  for (const each of [1, 2, 3]) {
    added.push(each);
    changes.note();
  }

  await untilThree;
  expect(added).toHaveLength(3);
});

test.each([
  { end: "at a change", act: async ({ changes }: Wait) => changes.note() },
  { end: "after its time", act: ({ clock }: Wait) => clock.advance(1_000) },
  { end: "when its signal aborts", act: async ({ stop }: Wait) => stop.abort() },
])("a wait with a limit ends $end, and leaves no timer", async ({ act }) => {
  const wait = { changes: new Changes(), clock: fakeClock(), stop: new AbortController() };
  let hasEnded = false;
  const waiting = wait.changes.nextWithin(1_000, wait.clock, wait.stop.signal).then(() => (hasEnded = true));
  await wait.clock.advance(999);
  expect(hasEnded).toBe(false);

  await act(wait);
  await waiting;

  expect(wait.clock.sleeperCount()).toBe(0);
});

interface Wait {
  readonly changes: Changes;
  readonly clock: ReturnType<typeof fakeClock>;
  readonly stop: AbortController;
}

test("a change wakes those with a limit and those without", async () => {
  const changes = new Changes();
  const waits = [
    changes.next(),
    changes.nextWithin(1_000, fakeClock()),
    changes.nextWithin(500, fakeClock()),
  ];

  changes.note();

  await Promise.all(waits);
});

test("waits that reach their limit leave nothing in memory, though nothing ever changes", async () => {
  const waits = 20_000;
  const changes = new Changes();
  const { signal } = new AbortController();
  const clock = { ...fakeClock(), sleep: async () => {} };
  const unlimited = changes.next();
  const before = heapUsed();

  for (let n = 0; n < waits; n += 1) await changes.nextWithin(250, clock, signal);

  expect((heapUsed() - before) / waits).toBeLessThan(50);
  changes.note();
  await unlimited;
});

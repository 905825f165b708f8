import { expect, test } from "vitest";
import { Changes } from "../../src/concurrency/changes.ts";

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

import { expect, test } from "vitest";
import { SharedTask } from "../../src/concurrency/shared-task.ts";

function controlled() {
  const { promise, resolve } = Promise.withResolvers<string>();
  const task = new SharedTask(async (signal) => {
    signal.addEventListener("abort", () => resolve("stopped"));
    return promise;
  });
  return { task, finish: () => resolve("done") };
}

test("all waiters get the same result", async () => {
  const { task, finish } = controlled();
  const waiting = [1, 2].map(() => task.join(new AbortController().signal));

  finish();

  expect(await Promise.all(waiting)).toEqual(["done", "done"]);
  expect(task.isAbandoned).toBe(false);
});

test("a waiter that stops does not affect the others' result", async () => {
  const { task, finish } = controlled();
  const impatient = new AbortController();
  const left = task.join(impatient.signal);
  const waiting = task.join(new AbortController().signal);

  impatient.abort();

  expect(await left).toBeUndefined();
  expect(task.isAbandoned).toBe(false);
  finish();
  expect(await waiting).toBe("done");
});

test("the last one to stop waiting stops the work and sees it end", async () => {
  const { task } = controlled();
  const impatient = new AbortController();
  const left = task.join(impatient.signal);

  impatient.abort();

  expect(await left).toBeUndefined();
  expect(task.isAbandoned).toBe(true);
  expect(await task.ended).toBe("stopped");
});

test("a caller with an aborted signal does not wait", async () => {
  const { task } = controlled();

  expect(await task.join(AbortSignal.abort())).toBeUndefined();
});

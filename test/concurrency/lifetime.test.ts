import { expect, test } from "vitest";
import { Lifetime } from "../../src/concurrency/lifetime.ts";

function part(name: string, closed: string[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      closed.push(name);
    },
  };
}

test("parts close in reverse, loops among them", async () => {
  const closed: string[] = [];
  const lifetime = new Lifetime(() => {});
  await lifetime.use(part("first", closed));
  lifetime.run(async (signal) => {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    closed.push("loop");
  });
  lifetime.onClose(async () => void closed.push("last"));

  await lifetime[Symbol.asyncDispose]();

  expect(closed).toEqual(["last", "loop", "first"]);
});

test("everything closes although one part fails to", async () => {
  const closed: string[] = [];
  const lifetime = new Lifetime(() => {});
  await lifetime.use(part("first", closed));
  lifetime.onClose(() => Promise.reject(new Error("stuck")));

  await expect(lifetime[Symbol.asyncDispose]()).rejects.toThrow("stuck");
  expect(closed).toEqual(["first"]);
});

test("the failure of a loop is reported", async () => {
  const failures: unknown[] = [];
  const lifetime = new Lifetime((error) => failures.push(error));
  lifetime.run(() => Promise.reject(new Error("bug")));

  await expect.poll(() => failures.length).toBe(1);
  await lifetime[Symbol.asyncDispose]();
});

test("a part that opens after the end is closed at once", async () => {
  const closed: string[] = [];
  const lifetime = new Lifetime(() => {});
  await lifetime[Symbol.asyncDispose]();

  await expect(lifetime.use(part("late", closed))).rejects.toThrow("stopped while starting");
  expect(closed).toEqual(["late"]);
});

import { expect, test } from "vitest";
import { settlesWithin } from "../../src/concurrency/settles-within.ts";

test("it reports whether a promise settles in time, resolved or rejected", async () => {
  expect(await settlesWithin(Promise.resolve(), 1_000)).toBe(true);
  expect(await settlesWithin(Promise.reject(new Error("no")), 1_000)).toBe(true);
  expect(await settlesWithin(new Promise(() => {}), 5)).toBe(false);
});

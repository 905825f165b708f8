import { afterAll, beforeAll, expect, test } from "vitest";
import { checkClock } from "../../../src/diagnosis/checks/clock-check.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { freshDatabase, type FreshDatabase } from "../../support/postgres.ts";

const hourMs = 3_600_000;

let fresh: FreshDatabase;

beforeAll(async () => {
  fresh = await freshDatabase();
});

afterAll(async () => {
  await fresh[Symbol.asyncDispose]();
});

test.each([
  [3 * hourMs, "3 h ahead of"],
  [-3 * hourMs, "3 h behind"],
])("a clock that differs from the database's by %d ms is wrong", async (differenceMs, words) => {
  const findings = await checkClock(fresh.database, fakeClock(Date.now() + differenceMs));

  expect(findings).toMatchObject([
    { state: "wrong", subject: "clock", detail: expect.stringContaining(`clock is ${words} the database's`) },
  ]);
});

test("a clock that agrees with the database's is no finding", async () => {
  expect(await checkClock(fresh.database, fakeClock(Date.now()))).toEqual([]);
});

import { afterEach, beforeEach, expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { ReservedIds } from "../../src/events/reserved-ids.ts";
import { query } from "../support/platform-rows.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { openRig, type PipelineRig } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

test("more ids than a call takes arguments are reserved at once", async () => {
  const ids = await new ReservedIds(rig.database, "enforcement_id_seq").take(200_000);

  expect(ids).toHaveLength(200_000);
  expect(new Set(ids).size).toBe(200_000);
});

test("ids that are forgotten are not used, nor those that were under way", async () => {
  const answers: PromiseWithResolvers<void>[] = [];
  const database: Queryable = {
    async query(statement) {
      const answer = Promise.withResolvers<void>();
      answers.push(answer);
      const result = await rig.database.query(statement);
      await answer.promise;
      return result;
    },
  };
  const ids = new ReservedIds(database, "event_id_seq");
  const early = ids.take(600);
  await expect.poll(() => answers.length).toBe(1);
  answers[0]?.resolve();
  await early; // Asks for the next block.
  await expect.poll(() => answers.length).toBe(2);

  ids.forget();
  const late = ids.take(1);
  answers[1]?.resolve();
  await expect.poll(() => answers.length).toBe(3);
  answers[2]?.resolve();
  await expect.poll(() => answers.length).toBe(4);
  answers[3]?.resolve();

  expect(BigInt((await late)[0] ?? 0)).toBeGreaterThan(2_000n);
});

// Goal: an agent that stores an event now and then follows the sequence to the next partition.
// Method: the sequence leaps, as retention moves it, while ids are held; time passes on a clock of the test's own.
test("ids that were held for an hour are given up, and the next ones are where the sequence is", async () => {
  const clock = fakeClock();
  const ids = new ReservedIds(rig.database, "event_id_seq", { clock });
  const [first] = await ids.take(1);
  await query(rig.database, "select setval('event_id_seq', 10000000)");

  await clock.advance(3_599_999);
  expect(await ids.take(1)).toEqual([String(Number(first) + 1)]);
  await clock.advance(1);
  expect(await ids.take(1)).toEqual(["10000001"]);
  await clock.advance(3_599_999);
  expect(await ids.take(1)).toEqual(["10000002"]);
});

// Goal: one who stores all the time, and so always has some ids left, does not keep the old block with the new ones.
test("whatever is taken in between, ids ascend and none is older than an hour", async () => {
  const clock = fakeClock();
  const ids = new ReservedIds(rig.database, "event_id_seq", { clock });
  const taken: number[] = [];
  const drawnAtMs = new Map<number, number>();
  for (let round = 0; round < 20; round += 1) {
    const [drawn] = await query<{ id: string }>(rig.database, "select nextval('event_id_seq') as id");
    drawnAtMs.set(Number(drawn?.id), clock.monotonicMs());
    for (const id of await ids.take(100)) taken.push(Number(id));
    const lowest = taken.at(-100) ?? 0;
    const later = [...drawnAtMs].filter(([id]) => id > lowest).map(([, atMs]) => atMs);
    for (const atMs of later) expect(clock.monotonicMs() - atMs).toBeLessThan(3_600_000);
    await clock.advance(700_000);
  }

  expect(taken).toEqual(taken.toSorted((a, b) => a - b));
  expect(new Set(taken).size).toBe(2_000);
});

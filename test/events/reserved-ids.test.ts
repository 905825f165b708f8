import { afterEach, beforeEach, expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { ReservedIds } from "../../src/events/reserved-ids.ts";
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

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { holdName, tryHold } from "../../scripts/services/held-name.ts";

test("a name has one holder; the next one gets it when the first lets go", async () => {
  const name = `test-${randomUUID()}`;
  const first = await holdName(name);
  let isHeldAgain = false;
  const second = holdName(name).then((held) => {
    isHeldAgain = true;
    return held;
  });

  expect(await tryHold(name)).toBeUndefined();
  expect(isHeldAgain).toBe(false);
  await first[Symbol.asyncDispose]();

  await using _second = await second;
  expect(await tryHold(name)).toBeUndefined();
});

/**
 * Goal: whatever moment the agent is killed at, nothing is lost and nothing is doubled.
 * Method: a sensor counts with a checkpoint on every line; the agent is killed with SIGKILL at random
 * moments, again and again; in the end the numbers in the database and the messages, recognised by
 * their id, must be exactly 1 … the last checkpoint.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ready, startAgent } from "../support/agent-process.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { startCountingAfresh } from "../support/counting.ts";

const rounds = Number(process.env["ATTUNE_TEST_KILLS"] ?? 50);

test(`${rounds} kills lose nothing and double nothing`, { timeout: 60_000 + rounds * 10_000 }, async () => {
  await using counting = await startCountingAfresh();
  const random = seededRandom();
  const folder = await counting.folder("killed");

  for (let round = 0; round < rounds; round += 1) {
    await using agent = await startAgent(folder);
    // Every third is killed while it starts or takes over; the others once events flow again.
    if (round % 3 !== 0) await counting.progress();
    // The moment itself is the random choice: this is no wait for something to happen.
    await sleep(random.between(0, 400));
    await agent.assertRunning();
    agent.kill("SIGKILL");
    await agent.ended;
  }

  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await counting.finish();
  expect(await counting.lastNumber()).toBeGreaterThan(rounds);
  await counting.expectNothingLostOrDoubled();
});

/**
 * Goal: ready means that an event that came now would be stored, also where the database answers every question.
 * Method: a real agent with a sensor that counts, and a table that takes nothing in.
 */
import { expect, test } from "vitest";
import { metric, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { startCountingAfresh } from "../support/counting.ts";

interface Readiness {
  readonly status: number;
  readonly events: unknown;
}

async function readiness({ apiUrl }: AgentFolder): Promise<Readiness> {
  const response = await fetch(`${apiUrl}/health/ready`);
  const { parts } = (await response.json()) as { parts: { events: unknown } };
  return { status: response.status, events: parts.events };
}

test("an agent whose database has a full disk is not ready, with the reason, until there is space again", async () => {
  await using counting = await startCountingAfresh();
  const { database } = counting;
  const folder = await counting.folder("full");
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await counting.progress();

  await query(
    database,
    `create function refuse_for_want_of_room() returns trigger language plpgsql as
       'begin raise exception ''could not extend file'' using errcode = ''53100''; end'`,
  );
  await query(
    database,
    "create trigger full_disk before insert on event for each row execute function refuse_for_want_of_room()",
  );

  await expect
    .poll(() => readiness(folder), { timeout: 20_000 })
    .toMatchObject({
      status: 503,
      events: {
        state: "down",
        detail: expect.stringMatching(/could not extend file .*53100.*; events wait$/),
      },
    });
  expect((await fetch(`${folder.apiUrl}/health/live`)).status).toBe(200);
  // The sensor waits, which is distinguished from a sensor that hangs.
  await expect
    .poll(() => metric(folder, "attune_sensor_agent_sensor_stalled_seconds"), { timeout: 30_000 })
    .toBeGreaterThan(0);

  await query(database, "drop trigger full_disk on event");

  await expect.poll(() => readiness(folder), { timeout: 20_000 }).toMatchObject({ status: 200 });
  await counting.progress();
  await counting.finish();
  await counting.expectNothingLostOrDoubled();
});

test("an agent whose batch hangs is not ready, with the reason", async () => {
  await using counting = await startCountingAfresh({ pace: { burst: 1, pauseMs: 10 } });
  const folder = await counting.folder("held-up");
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await counting.progress();

  await counting.database.transaction(async (transaction) => {
    await query(transaction, "lock table event in access exclusive mode");
    await expect
      .poll(() => readiness(folder), { timeout: 60_000 })
      .toMatchObject({
        status: 503,
        events: {
          state: "down",
          detail: expect.stringMatching(/^a batch of events has been under way for \d+ s/),
        },
      });
  });

  await expect.poll(() => readiness(folder), { timeout: 20_000 }).toMatchObject({ status: 200 });
  await counting.finish();
  await counting.expectNothingLostOrDoubled();
});

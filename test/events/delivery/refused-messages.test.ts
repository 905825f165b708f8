/** How often refused messages are looked for; how they are sent again is in test/service/broker-pressure.test.ts. */
import { expect, test } from "vitest";
import type { Database, Query } from "../../../src/database/database.ts";
import { RefusedMessages } from "../../../src/events/delivery/refused-messages.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { scriptedTransport } from "../../support/publishing.ts";

test("without a refused message the database is asked when messages are owed, at most once a minute, and at once after a refusal", async () => {
  const clock = fakeClock();
  let looks = 0;
  const query = async ({ name }: Query): Promise<{ rows: object[] }> => {
    if (name === "count_refused_messages") looks += 1;
    return { rows: [] };
  };
  const refused = new RefusedMessages({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
    database: { query } as unknown as Database,
    transport: scriptedTransport(),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing is published before a delay is over
    publisher: { room: async () => false, rows: { whenSetAside: () => {} } } as never,
    instance: "i",
    installationId: "installation",
    logger: silentLogger,
    clock,
    random: () => 0.5,
  });
  const ending = new AbortController();
  const run = refused.run(ending.signal);
  await new Promise(setImmediate);

  await clock.advance(1_190_000);
  const looksAtRest = looks;
  for (let minute = 0; minute < 3; minute += 1) {
    refused.noteOwed();
    refused.noteOwed();
    await clock.advance(0);
    await clock.advance(60_000);
  }
  const looksWhileOwing = looks - looksAtRest;
  refused.note("event.created", "it is full");
  await clock.advance(1);

  expect(looksAtRest).toBe(1);
  expect(looksWhileOwing).toBe(3);
  expect(looks).toBe(5);
  ending.abort();
  await run;
});

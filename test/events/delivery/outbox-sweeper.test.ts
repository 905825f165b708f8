/** When a worker counts as cut off from the broker, by a fake clock; what others then publish is in test/events/outbox.test.ts. */
import { expect, onTestFinished, test } from "vitest";
import type { Database, Query } from "../../../src/database/database.ts";
import { messageId } from "../../../src/model/identifiers.ts";
import { outgoing } from "../../messaging/conformance.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { preparePublishing, scriptedTransport } from "../../support/publishing.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";

/** A sweeper that finds no rows, and the statements that it asks for. */
async function startSweeper({ intervalMs }: { readonly intervalMs: number }) {
  const clock = fakeClock();
  const transport = scriptedTransport();
  const statements: (string | undefined)[] = [];
  const query = async ({ name }: Query): Promise<{ rows: object[] }> => {
    statements.push(name);
    return { rows: name === "own_messages" ? [{ instances: [], is_any: true }] : [] };
  };
  const { publisher, sweeper } = preparePublishing({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
    database: { query } as unknown as Database,
    instance: "i",
    installationId,
    transport,
    inFlightMax: 2,
    intervalMs,
    clock,
  });
  const stop = new AbortController();
  const run = sweeper.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await run;
  });
  await clock.advance(0);
  return {
    clock,
    transport,
    sweeper,
    countOf: (statement: string) => statements.filter((name) => name === statement).length,
    /** Leaves the sweeper waiting for confirms, with rows still to be read. */
    beginCatchingUp: async (): Promise<void> => {
      publisher.send(
        [1, 2].map((id) => outgoing({ messageId: messageId(installationId, "event", String(id)) })),
        [],
      );
      sweeper.wake();
      await clock.advance(0);
      expect(publisher.inFlightCount).toBe(2);
    },
  };
}

// Goal: also a worker with a backlog leaves its messages to others when it loses its broker.
// Method: the broker goes while the sweeper waits for confirms that never come.
test("a worker that loses the broker while it catches up leaves its messages to others after 30 s", async () => {
  const { clock, transport, countOf, beginCatchingUp } = await startSweeper({ intervalMs: 60_000 });
  await beginCatchingUp();

  transport.state = "down";
  await clock.advance(29_000);
  const releasedEarly = countOf("release_messages");
  await clock.advance(2_000);
  const released = countOf("release_messages");
  await clock.advance(600_000);

  expect(releasedEarly).toBe(0);
  expect(released).toBe(1);
  expect(countOf("release_messages")).toBe(1);
});

test.each([
  { before: "a long wait for confirms", isCatchingUp: true },
  { before: "a long rest", isCatchingUp: false },
])("after $before, a broker that is away for a moment leaves nothing to others", async ({ isCatchingUp }) => {
  const { clock, transport, sweeper, countOf, beginCatchingUp } = await startSweeper({ intervalMs: 60_000 });
  if (isCatchingUp) await beginCatchingUp();
  await clock.advance(59_000);

  transport.state = "down";
  sweeper.wake();
  await clock.advance(10_000);
  transport.state = "up";
  await clock.advance(60_000);

  expect(countOf("release_messages")).toBe(0);
});

test("a worker with nothing to publish notices that it is cut off as soon, however rarely it looks", async () => {
  const { clock, transport, countOf } = await startSweeper({ intervalMs: 600_000 });

  transport.state = "down";
  await clock.advance(36_000);

  expect(countOf("release_messages")).toBe(1);
  expect(countOf("own_messages")).toBe(1);
});

test("a worker takes its messages back as soon as the broker is up again, whenever its next look is due", async () => {
  const { clock, transport, countOf } = await startSweeper({ intervalMs: 600_000 });
  transport.state = "down";
  await clock.advance(36_000);
  const looksWhileDown = countOf("own_messages");

  transport.state = "up";
  await clock.advance(1_000);

  expect(looksWhileDown).toBe(1);
  expect(countOf("own_messages")).toBe(2);
});

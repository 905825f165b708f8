/** Where and when the sweeper reads, by a fake clock and scripted rows; what is published is in test/events/outbox.test.ts. */
import { expect, onTestFinished, test } from "vitest";
import type { Database, Query } from "../../../src/database/database.ts";
import { messageId, messageIdRanges, nextMessageId } from "../../../src/model/identifiers.ts";
import { outgoing } from "../../messaging/conformance.ts";
import { fakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { owedEventRow, preparePublishing, scriptedTransport } from "../../support/publishing.ts";

const installationId = "0f8fad5b-d9cb-469f-a165-70867728950e";
const ranges = messageIdRanges(installationId);
const leaseMs = 30_000;
const [three, five] = ["3", "5"].map((id) => messageId(installationId, "event", id)) as [string, string];

interface Script {
  readonly pageLength?: number;
  /** The rows at or after this id, among events or among enforcements. */
  readonly read: (
    from: string,
    kind: "event" | "enforcement",
    clock: FakeClock,
  ) => Promise<object[]> | object[];
}

/** A sweeper that looks every 5 s and publishes two messages at once, wired to a scripted database. */
async function start({ read, pageLength = 1_000 }: Script) {
  const clock = fakeClock();
  const transport = scriptedTransport();
  const database = { isAway: false };
  const reads: string[] = [];
  const inherits: unknown[] = [];
  const query = async ({ name, values = [] }: Query): Promise<{ rows: object[] }> => {
    if (database.isAway) throw new Error("no answer");
    if (name === "own_messages") {
      inherits.push(values[1]);
      return { rows: [{ instances: [], is_any: true }] };
    }
    if (name !== "read_owed_messages") return { rows: [] };
    const [from, to] = [String(values[3]), values[4]];
    if (to !== ranges.event.to && to !== ranges.enforcement.to) return { rows: [] };
    if (to === ranges.event.to) reads.push(from);
    return { rows: await read(from, to === ranges.event.to ? "event" : "enforcement", clock) };
  };
  const { publisher, sweeper } = preparePublishing({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
    database: { query, relaxed: { query } } as unknown as Database,
    instance: "own",
    installationId,
    transport,
    inFlightMax: 2,
    intervalMs: 5_000,
    pageLength,
    leaseMs,
    clock,
  });
  const stop = new AbortController();
  const run = sweeper.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    // A reading may be under way.
    await clock.advance(1_000);
    await run;
  });
  await clock.advance(0);
  return { clock, transport, database, publisher, reads, inherits };
}

const rowsFrom =
  (ids: readonly string[]) =>
  (from: string): object[] =>
    ids.filter((id) => id >= from).map((id) => owedEventRow(id, "own"));

// Goal: what is left under a lower id while others are read goes before them, without waiting for the next look.
test("a page that was being read when a lower id was left is read again from there", async () => {
  const gate = Promise.withResolvers<void>();
  let stored = [five];
  const { clock, transport, publisher, reads } = await start({
    read: async (from, kind) => {
      if (kind === "enforcement") return [];
      const rows = rowsFrom(stored)(from);
      await gate.promise;
      return rows;
    },
  });
  stored = [three, five];
  publisher.leave([three]);
  gate.resolve();
  await clock.advance(0);

  expect(reads.slice(0, 2)).toEqual([ranges.event.from, ranges.event.from]);
  expect(transport.ids()).toEqual([three, five]);
});

test("a message that is left while the round waits for confirms is read in another round", async () => {
  let stored = [five, nextMessageId(five)];
  const { clock, transport, publisher } = await start({
    read: (from, kind) => (kind === "event" ? rowsFrom(stored)(from) : []),
  });
  expect(publisher.inFlightCount).toBe(2);
  stored = [three, ...stored];
  publisher.leave([three]);

  transport.confirmAll();
  await clock.advance(1_000);

  expect(transport.ids()).toEqual([five, nextMessageId(five), three]);
});

test("what this process stores waits while another's messages are read", async () => {
  const gate = Promise.withResolvers<void>();
  const { clock, transport, publisher } = await start({
    read: async (from, kind) => {
      if (kind === "event") return from <= three ? [owedEventRow(three, "dead")] : [];
      await gate.promise;
      return [];
    },
  });
  const own = outgoing({ messageId: five });
  publisher.send([own], []);
  const before = transport.ids();

  gate.resolve();
  await clock.advance(0);

  expect(before).toEqual([three]);
  expect(transport.ids()).toEqual([three, five]);
  expect(publisher.isBehind).toBe(false);
});

test("a backlog that is never read to its end is begun again every minute, for rows that nobody announced", async () => {
  const { clock, transport, reads } = await start({
    pageLength: 1,
    read: async (from, kind, time) => {
      if (kind === "enforcement") return [];
      await time.sleep(100);
      return [owedEventRow(from === ranges.event.from ? three : from, "own")];
    },
  });
  transport.answer = async () => "routed";
  const beginnings = (): number => reads.filter((from) => from === ranges.event.from).length;
  await clock.advance(59_000);
  const inFirstMinute = beginnings();
  await clock.advance(10_000);

  expect(reads.length).toBeGreaterThan(500);
  expect([inFirstMinute, beginnings()]).toEqual([1, 2]);
});

// Goal: whoever comes back first after a common outage takes no messages from workers that are as alive.
test("after an outage as long as a lease, messages of others are left to them for one lease duration", async () => {
  const { clock, database, inherits } = await start({ read: () => [] });
  database.isAway = true;
  await clock.advance(2 * leaseMs);
  database.isAway = false;
  inherits.length = 0;

  await clock.advance(leaseMs + 10_000);

  const firstAgain = inherits.indexOf(true);
  expect(firstAgain).toBeGreaterThanOrEqual(leaseMs / 5_000);
  expect(inherits.slice(firstAgain)).not.toContain(false);
});

test("a worker that left its messages to others also leaves them those that it stores meanwhile", async () => {
  const { clock, transport, publisher } = await start({ read: () => [] });
  transport.state = "down";
  await clock.advance(40_000);

  publisher.send([outgoing({ messageId: three })], []);

  expect(publisher.isBehind).toBe(true);
  expect(transport.ids()).toEqual([]);
});

/** Two agents on one database: what one does is seen at the other, and only while somebody looks there. */
import { expect, test } from "vitest";
import { LiveCounts } from "../../src/live/live-counts.ts";
import { LiveExchange, liveAnnouncement } from "../../src/live/live-exchange.ts";
import type { LiveReport } from "../../src/live/live-report.ts";
import { Activity } from "../../src/telemetry/activity.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { systemClock } from "../../src/time/clock.ts";
import type { Database } from "../../src/database/database.ts";
import { freshDatabase } from "../support/postgres.ts";

async function startMember(database: Database, instance: string) {
  const counts = new LiveCounts(instance, new Activity(), systemClock);
  const metrics = counts.counting(createMetrics({ version: "1", withProcess: false }));
  const seen: LiveReport[] = [];
  let sent = 0;
  const relaxed: Database["relaxed"] = {
    query: (query) => {
      sent += 1;
      return database.relaxed.query(query);
    },
  };
  const exchange = new LiveExchange({
    database: { ...bound(database), relaxed },
    instance,
    counts,
    onReport: (report) => seen.push(report),
    onSecond: () => {},
    clock: systemClock,
    logger: silentLogger,
  });
  const listening = await database.listen("attune_change", (payload) => {
    const [word, concerned] = payload?.split(" ", 2) ?? [];
    if (word === liveAnnouncement) exchange.wake(concerned);
  });
  const ending = new AbortController();
  const run = exchange.run(ending.signal);
  return {
    exchange,
    metrics,
    seen,
    sent: () => sent,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await run;
      await listening[Symbol.asyncDispose]();
    },
  };
}

/** Methods of a class are not enumerable. */
function bound(database: Database): Pick<Database, "listen" | "schema"> & Database {
  return Object.assign(Object.create(database) as Database, {
    listen: database.listen.bind(database),
    schema: database.schema,
  });
}

test("an agent reports what it did as soon as somebody looks at another", { timeout: 20_000 }, async () => {
  await using fresh = await freshDatabase();
  await using viewed = await startMember(fresh.database, "viewed");
  await using worker = await startMember(fresh.database, "worker");
  worker.metrics.eventsStored("p.seen", 40);
  expect(worker.sent()).toBe(0);

  viewed.exchange.watch(true);
  const reports = () => viewed.seen.filter(({ instance }) => instance === "worker");
  await expect.poll(() => reports().length, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(reports()[0]?.history.reduce((sum, [events]) => sum + events, 0)).toBe(40);

  worker.metrics.eventsStored("p.seen", 2);
  worker.metrics.rulesMatched("p.rule", 1);
  await expect
    .poll(() => reports().reduce((sum, { triggers }) => sum + (triggers.get("p.seen") ?? 0), 0), {
      timeout: 10_000,
    })
    .toBe(2);
});

const pastOf = (member: Awaited<ReturnType<typeof startMember>>, instance: string): number[] =>
  member.seen
    .filter((report) => report.instance === instance && report.history.length > 0)
    .map(({ history }) => history.reduce((sum, [events]) => sum + events, 0));

// Goal: a newly opened page shows what all agents did before.
// Method: the page is loaded again at once, and somebody opens another agent's, while the agents go on reporting.
test("every page that is opened gets the past of all agents", { timeout: 60_000 }, async () => {
  await using fresh = await freshDatabase();
  await using viewed = await startMember(fresh.database, "viewed");
  await using other = await startMember(fresh.database, "other");
  await using worker = await startMember(fresh.database, "worker");
  worker.metrics.eventsStored("p.seen", 40);
  viewed.metrics.eventsStored("p.seen", 2);
  viewed.exchange.watch(true);
  await expect.poll(() => pastOf(viewed, "worker")).toEqual([40]);
  expect(pastOf(viewed, "viewed")).toEqual([2]);

  viewed.exchange.watch(false);
  viewed.exchange.watch(true);
  await expect.poll(() => pastOf(viewed, "worker")).toEqual([40, 40]);
  expect(pastOf(viewed, "viewed")).toEqual([2, 2]);

  other.exchange.watch(true);
  await expect.poll(() => pastOf(other, "worker")).toEqual([40]);
  expect(pastOf(other, "viewed")).toEqual([2]);
});

// Goal: what nobody here looks at is not received, or it would wait in memory for a viewer that may never come.
// Method: somebody looks at both agents, then only at the other, to which this one goes on reporting.
test(
  "an agent that nobody looks at any more does not receive the others' reports",
  { timeout: 60_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using left = await startMember(fresh.database, "left");
    await using viewed = await startMember(fresh.database, "viewed");
    const reportsTo = (member: typeof left, from: string): number =>
      member.seen.filter(({ instance }) => instance === from).length;
    left.exchange.watch(true);
    viewed.exchange.watch(true);
    await expect.poll(() => reportsTo(left, "viewed"), { timeout: 10_000 }).toBeGreaterThan(0);

    left.exchange.watch(false);

    const receivedMeanwhile = async (): Promise<number> => {
      const [received, sent] = [left.seen.length, reportsTo(viewed, "left")];
      await expect.poll(() => reportsTo(viewed, "left"), { timeout: 10_000 }).toBeGreaterThan(sent + 2);
      return left.seen.length - received;
    };
    await expect.poll(receivedMeanwhile, { timeout: 20_000 }).toBe(0);
  },
);

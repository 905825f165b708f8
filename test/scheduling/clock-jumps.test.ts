/**
 * Goal: a database clock that is set, either way, neither keeps a dead worker's sensors from being taken over nor takes
 * a live worker's away.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import type { Database } from "../../src/database/database.ts";
import { rowsOf } from "../../src/database/statement.ts";
import { markStaleWorkers } from "../../src/database/statements/workers.ts";
import { Scheduler } from "../../src/scheduling/scheduler.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger, type RecordingLogger } from "../support/recording-logger.ts";
import { settableClock, type SettableClock } from "../support/settable-clock.ts";

const leaseSeconds = 1;
const soon = { timeout: 10_000, interval: 10 };

interface Fleet extends AsyncDisposable {
  readonly clock: SettableClock;
  readonly database: Database;
  start(name: string): Promise<Member>;
}

interface Member extends AsyncDisposable {
  readonly scheduler: Scheduler;
  readonly log: RecordingLogger;
  /** How often it has ceased to hold something. */
  readonly losses: () => number;
}

async function startFleet(): Promise<Fleet> {
  await using made = new AsyncDisposableStack();
  const fresh = made.use(await freshDatabase());
  const clock = await settableClock(await fresh.connect(), fresh.url);
  const { logger } = recordingLogger();
  const database = made.use(await openPostgresql({ url: clock.url, logger }));
  await insertTrigger(database, "demo.tick");
  await insertRule(database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await insertSensor(database, { ref: "demo.s", triggerRef: "demo.tick" });
  const kept = made.move();
  return {
    clock,
    database,
    start: (name) => startMember(clock.url, name),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function startMember(url: string, name: string): Promise<Member> {
  const log = recordingLogger();
  const database = await openPostgresql({ url, logger: log.logger, connectionsMax: 4 });
  const instance = randomUUID();
  let losses = 0;
  const scheduler: Scheduler = new Scheduler({
    database,
    workerId: await insertWorker(database, { name, instance }),
    instance,
    leaseSeconds,
    renewalIntervalMs: 100,
    lookIntervalMs: 100,
    isRunning: () => false,
    onRenewed: () => {},
    onHeldChanged: () => {
      if (scheduler.held().size === 0) losses += 1;
    },
    onSuperseded: () => {},
    onOthersChanged: () => {},
    metrics: { leasesLost: () => {} },
    logger: log.logger,
    clock: systemClock,
    random: () => 0,
  });
  const ending = new AbortController();
  const run = scheduler.run(ending.signal);
  return {
    scheduler,
    log,
    losses: () => losses,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await run;
      await database[Symbol.asyncDispose]();
    },
  };
}

test("a worker that dies before the clock is set back an hour is succeeded within seconds", async () => {
  await using fleet = await startFleet();
  {
    await using holder = await fleet.start("holder");
    await expect.poll(() => holder.scheduler.held().size, soon).toBe(1);
  }
  await using heir = await fleet.start("heir");
  await expect.poll(() => heir.scheduler.health().state, soon).toBe("up");
  await query(
    fleet.database,
    "update worker set lease_expires_at = clock_timestamp() + interval '1 s' where name = 'holder'",
  );
  await fleet.clock.setBy(-3_600);

  await expect.poll(() => heir.scheduler.held().size, soon).toBe(1);
});

test.each([3_600, -3_600])("a clock set by %d s takes no sensor from its live holder", async (seconds) => {
  await using fleet = await startFleet();
  await using holder = await fleet.start("holder");
  await expect.poll(() => holder.scheduler.held().size, soon).toBe(1);
  await using neighbour = await fleet.start("neighbour");
  await expect.poll(() => neighbour.scheduler.health().state, soon).toBe("up");

  for (let times = 0; times < 3; times += 1) {
    await fleet.clock.setBy(seconds);
    // Looks at once, before the holder has renewed by the new clock.
    neighbour.scheduler.wake();
    await sleep(1_500 * leaseSeconds);
  }

  expect(holder.losses()).toBe(0);
  expect(neighbour.scheduler.held().size).toBe(0);
  const told = neighbour.log.lines.filter(({ message }) =>
    message.startsWith("the database's clock was set"),
  );
  expect(told.map(({ fields }) => Math.round(Reflect.get(fields, "jump_seconds")))).toEqual([
    seconds,
    seconds,
    seconds,
  ]);
});

test("a worker that died before the clock was set back is marked inactive", async () => {
  await using fleet = await startFleet();
  {
    await using holder = await fleet.start("holder");
    await expect.poll(() => holder.scheduler.held().size, soon).toBe(1);
  }
  await fleet.clock.setBy(-3_600);

  const marked = await rowsOf(fleet.database, markStaleWorkers, { staleAfterSeconds: 90 });

  expect(marked).toMatchObject([{ name: "holder" }]);
});

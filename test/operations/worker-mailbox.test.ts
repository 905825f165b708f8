/**
 * Requests between agents, each side with a mailbox of its own on one real PostgreSQL.
 */
import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import type { TakenRequest } from "../../src/database/statements/worker-requests.ts";
import type { Id } from "../../src/model/identifiers.ts";
import type { JsonObject } from "../../src/model/json/json.ts";
import { WorkerMailbox } from "../../src/operations/worker-mailbox.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

const never = new AbortController().signal;

interface Mailbox {
  readonly mailbox: WorkerMailbox;
  readonly instance: string;
}

/** A mailbox that looks when it is notified, as the service has it; it ends with the test. */
async function mailboxOf(
  database: Database,
  carryOut: (request: TakenRequest) => Promise<JsonObject>,
): Promise<Mailbox> {
  const instance = randomUUID();
  const mailbox = new WorkerMailbox({
    database,
    instance,
    ownsSensors: () => true,
    carryOut,
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
  });
  const ending = new AbortController();
  const listening = await database.listen("attune_change", () => mailbox.wake());
  const run = mailbox.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    mailbox.wake();
    await run;
    await listening[Symbol.asyncDispose]();
  });
  return { mailbox, instance };
}

async function assign(database: Database, sensorId: Id, { instance }: Mailbox): Promise<void> {
  const worker = await insertWorker(database, { name: instance, instance });
  await query(
    database,
    `insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at, claimed_at)
     values ($1, $2, $3, 1, now() + interval '1 hour', now())
     on conflict (sensor) do update set worker = excluded.worker, instance = excluded.instance`,
    [sensorId, worker, instance],
  );
}

async function sensorOn(database: Database): Promise<Id> {
  await insertTrigger(database, "t.one");
  return insertSensor(database, { ref: "p.one", triggerRef: "t.one" });
}

const rows = async (database: Database): Promise<number> =>
  (await query<{ count: number }>(database, "select count(*)::int from worker_request"))[0]?.count ?? -1;

const nobody = async (): Promise<JsonObject> => {
  throw new Error("this one was not asked");
};

test("the sensor's owner answers, nobody else is asked, and nothing is left in the table", async () => {
  const fresh = await freshDatabase();
  onTestFinished(() => fresh[Symbol.asyncDispose]());
  const { database } = fresh;
  const sensorId = await sensorOn(database);
  const asker = await mailboxOf(database, nobody);
  await mailboxOf(database, nobody);
  const owner = await mailboxOf(database, async ({ parameters }) => ({ heard: parameters, odd: "\0\ud800" }));
  await assign(database, sensorId, owner);

  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, number) =>
      asker.mailbox.ask({ kind: "restart", sensorId, parameters: { number } }, 5_000, never),
    ),
  );

  expect(answers).toEqual(answers.map((_, number) => ({ heard: { number }, odd: "\0\ud800" })));
  expect(await rows(database)).toBe(0);
});

test("the next owner answers what the former took and did not answer", async () => {
  const fresh = await freshDatabase();
  onTestFinished(() => fresh[Symbol.asyncDispose]());
  const { database } = fresh;
  const sensorId = await sensorOn(database);
  const asker = await mailboxOf(database, nobody);
  const taken = Promise.withResolvers<void>();
  const dead = await mailboxOf(database, async () => {
    taken.resolve();
    return new Promise<JsonObject>(() => {});
  });
  const successor = await mailboxOf(database, async () => ({ from: "the successor" }));
  await assign(database, sensorId, dead);

  const answer = asker.mailbox.ask({ kind: "restart", sensorId, parameters: {} }, 10_000, never);
  await taken.promise;
  await assign(database, sensorId, successor);
  successor.mailbox.wake();

  expect(await answer).toEqual({ from: "the successor" });
});

test("without an answer the asker is told so in time and withdraws its request", async () => {
  const fresh = await freshDatabase();
  onTestFinished(() => fresh[Symbol.asyncDispose]());
  const { database } = fresh;
  const sensorId = await sensorOn(database);
  const { mailbox } = await mailboxOf(database, nobody);

  expect(await mailbox.ask({ kind: "restart", sensorId, parameters: {} }, 50, never)).toBeUndefined();
  expect(await rows(database)).toBe(0);

  const leaving = new AbortController();
  const left = mailbox.ask({ kind: "restart", sensorId, parameters: {} }, 60_000, leaving.signal);
  await expect.poll(() => rows(database)).toBe(1);
  leaving.abort();

  expect(await left).toBeUndefined();
  expect(await rows(database)).toBe(0);
});

test("requests are bounded in number, and expired ones make room", async () => {
  const fresh = await freshDatabase();
  onTestFinished(() => fresh[Symbol.asyncDispose]());
  const { database } = fresh;
  const sensorId = await sensorOn(database);
  const fill = (seconds: number): Promise<object[]> =>
    query(
      database,
      `insert into worker_request (kind, sensor, expires_at)
       select 'restart', $1, now() + make_interval(secs => $2) from generate_series(1, 1024)`,
      [sensorId, seconds],
    );
  await fill(-1);
  const owner = await mailboxOf(database, async () => ({ done: true }));
  await assign(database, sensorId, owner);
  expect(await owner.mailbox.ask({ kind: "restart", sensorId, parameters: {} }, 5_000, never)).toEqual({
    done: true,
  });

  await query(database, "update sensor_assignment set instance = null, worker = null");
  await query(database, "delete from worker_request");
  await fill(60);

  await expect(
    owner.mailbox.ask({ kind: "restart", sensorId, parameters: {} }, 5_000, never),
  ).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
